"""An index: what it holds, how it grows, what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

import make_shards as shards_of
import numpy as np
import pytest
import simplejpeg
import torch
from tiny_index import checkpoint, full
from warm import Command

from schemas.errors import ConfigError
from trainer.index.build import index, model_fingerprint
from trainer.index.config import IndexSettings
from trainer.index.store import read_info, read_parts
from trainer.model.io import load_model, read_config
from zoetrope import cli

CPU = IndexSettings(device="cpu", workers=2, batch_size=4)


def main(arguments: list[str]) -> int:
    return cli.main(["index", *arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("checkpoint"))


def parts(folder: Path):
    return read_parts(folder, read_info(folder))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("store", ["still", "frames", "mp4", "video"])
def test_it_holds_the_models_vectors_of_every_clip(model: Path, tmp_path: Path, store: str) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 2, 6, store)
    done = index(model, str(clips), tmp_path / "index", CPU)
    assert (done.shards, done.skipped, done.clips, done.dropped, done.broken) == (2, 0, 12, (), ())
    rows = [row for part in parts(tmp_path / "index") for row in part.clips.to_pylist()]
    assert [row["key"] for row in rows] == [f"s{i:06d}" for i in range(12)]
    assert rows[3]["captions"][0].startswith("a yellow square on")
    part = parts(tmp_path / "index")[0]
    assert part.vectors_NE.shape == (6, 64)
    np.testing.assert_allclose(np.linalg.norm(part.vectors_NE, axis=1), 1, atol=1e-5)
    assert (part.tokens_NTD.shape, part.tokens_NTD.dtype, part.mask_NT.tolist()) == (
        (6, 4, 32),
        np.float16,
        [[1] * 4] * 6,
    )
    if store != "video":
        return
    frames = np.stack([np.roll(shards_of.picture(2, 32, 32), 2 * t, axis=1) for t in range(4)])
    jpegs = np.stack([simplejpeg.decode_jpeg(shards_of.jpeg(f), colorspace="RGB") for f in frames])
    net = load_model(model)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in net.normalisation)
    with torch.inference_mode():
        features = net.encode_video(
            ((torch.from_numpy(jpegs).permute(0, 3, 1, 2) / 255 - mean) / std)[None], torch.ones(1, 4)
        )
        np.testing.assert_allclose(part.vectors_NE[2], net.joint(features)[0].numpy(), atol=1e-5)


def test_only_what_is_new_is_embedded(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 3, 4, "video")
    target = tmp_path / "index"
    index(model, str(clips / "0000[01].tar"), target, CPU)
    before = bytes_of(target)
    done = index(model, str(clips), target, CPU)
    assert (done.shards, done.skipped, done.clips) == (1, 2, 4)
    after = bytes_of(target)
    assert {name: after[name] for name in before} == before
    assert index(model, [str(clips)], target, CPU).skipped == 3
    whole = tmp_path / "at_once"
    index(model, str(clips), whole, CPU)
    assert bytes_of(whole) == after  # grown or made at once: the same bytes


def test_a_shard_that_is_broken_when_it_is_rewritten_keeps_its_earlier_part(
    model: Path, tmp_path: Path
) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, manifest=False)
    index(model, str(clips), tmp_path / "index", CPU)
    before = [part.clips.to_pylist() for part in parts(tmp_path / "index")]
    shard = clips / "00000.tar"
    shard.write_bytes(shard.read_bytes()[:2000])
    done = index(model, str(clips), tmp_path / "index", CPU)
    assert len(done.broken) == 1
    assert [part.clips.to_pylist() for part in parts(tmp_path / "index")] == before


def test_another_models_index_is_refused(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    index(model, str(clips), tmp_path / "index", CPU)
    other = checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(ConfigError, match="cannot be compared"):
        index(other, str(clips), tmp_path / "index", CPU)
    with pytest.raises(ConfigError, match="created with tokens; add --tokens"):
        index(model, str(clips), tmp_path / "index", CPU.model_copy(update={"tokens": False}))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        index(model, str(clips), foreign, CPU)


def test_how_candidates_are_mixed_makes_no_other_model(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    index(model, str(clips), tmp_path / "index", CPU)
    lighter = checkpoint(
        tmp_path / "lighter", interaction={"enabled": True, "depth": 1, "top_k": 9, "weight": 0.3}
    )
    assert model_fingerprint(lighter) == model_fingerprint(model)
    assert index(lighter, str(clips), tmp_path / "index", CPU).skipped == 1
    deeper = checkpoint(tmp_path / "deeper", interaction={"enabled": True, "depth": 2, "top_k": 5})
    assert model_fingerprint(deeper) != model_fingerprint(model)


def test_an_index_whose_fingerprint_counted_the_mixing_still_grows(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 2, 4, "video")
    index(model, str(clips / "00000.tar"), tmp_path / "index", CPU)
    about = tmp_path / "index" / "index.json"
    fields = read_config(model).to_dict()
    assert fields.pop("tokenizer") is None  # such an index is older than this field
    config = json.dumps(fields, sort_keys=True).encode()
    former = hashlib.sha256(config + (model / "model.safetensors").read_bytes()).hexdigest()[:16]
    about.write_text(json.dumps({**json.loads(about.read_text()), "model": former}))
    lighter = checkpoint(tmp_path / "lighter", interaction={"enabled": True, "depth": 1, "weight": 0.3})
    done = index(lighter, str(clips), tmp_path / "index", CPU)
    assert (done.shards, done.skipped) == (1, 1)
    assert read_info(tmp_path / "index").model == former != model_fingerprint(model)
    with pytest.raises(ConfigError, match="cannot be compared"):
        index(checkpoint(tmp_path / "other", seed=1), str(clips), tmp_path / "index", CPU)


def test_broken_samples_and_shards_are_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    clips = tmp_path / "clips"
    samples = [shards_of.sample(i, "video") for i in range(4)]
    samples[1][1]["002.jpg"] = b"\xff\xd8 not a picture"
    shards_of.write_shard(clips / "00000.tar", samples)
    data = shards_of.write_shard(
        tmp_path / "whole.tar", [shards_of.sample(i, "video") for i in range(9, 14)]
    ).read_bytes()
    (clips / "00001.tar").write_bytes(data[:-12_000])
    assert main([str(model), str(clips), "-o", str(tmp_path / "index"), "--device", "cpu"]) == 1
    out, error = capsys.readouterr()
    assert "3 clips of 1 shard indexed" in out
    assert "1 samples left out" in error
    assert "s000001" in error
    assert "1 shards not indexed" in error
    (clips / "00001.tar").write_bytes(data)  # mended: only this one is missing
    assert main([str(model), str(clips), "-o", str(tmp_path / "index"), "--device", "cpu"]) == 0
    assert "5 clips of 1 shard indexed; already there: 1 shard" in capsys.readouterr().out
    assert main([str(tmp_path / "none"), str(clips), "-o", str(tmp_path / "i2")]) == 2


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (
            "model.clip2video.CLIP2Video.to",
            "no room for the model; is it in use? Free it, or give --device cpu",
        ),
        (
            "retrieval.embed.Embedder.videos",
            "lower --batch-size (now 8); the same command continues from here",
        ),
    ],
)
def test_out_of_memory_is_one_line_with_what_to_do(
    model, tmp_path: Path, monkeypatch, capsys, where: str, says: str
) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    monkeypatch.setattr(f"trainer.{where}", full)
    assert (
        main([str(model), str(clips), "-o", str(tmp_path / "index"), "--device", "cpu", "--batch-size", "8"])
        == 1
    )
    error = capsys.readouterr().err
    assert error.startswith("zoetrope index: out of memory: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_killed_run_leaves_whole_parts_and_the_next_goes_on(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 30, 8, "video")
    target = tmp_path / "index"
    command = ["index", str(model), str(clips), "-o", str(target), "--device", "cpu"]
    process = Command(command, tmp_path / "stderr.txt")
    deadline = time.monotonic() + 120
    while (
        process.returncode is None and time.monotonic() < deadline and len(list(target.glob("parts/0*"))) < 3
    ):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    for part in parts(target):
        assert len(part.vectors_NE) == len(part.tokens_NTD) == len(part.clips) == 8
    done = index(model, str(clips), target, CPU)
    assert done.shards + done.skipped == 30
    whole = tmp_path / "whole"
    index(model, str(clips), whole, CPU)
    kept = {name: data for name, data in bytes_of(target).items() if ".partial" not in name}
    assert kept == bytes_of(whole)


def test_arrays_that_need_unpickling_are_refused(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    index(model, str(clips), tmp_path / "index", CPU)
    (part,) = parts(tmp_path / "index")
    np.save(f"{part.path}/vectors.npy", np.array([object()] * 4, dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match=r"vectors\.npy cannot be read"):
        _ = parts(tmp_path / "index")[0].vectors_NE
    Path(f"{part.path}/vectors.npy").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"vectors\.npy cannot be read"):
        _ = parts(tmp_path / "index")[0].vectors_NE
    shutil.copy(f"{part.path}/mask.npy", f"{part.path}/vectors.npy")
    with pytest.raises(ConfigError, match="uint8"):
        _ = parts(tmp_path / "index")[0].vectors_NE
