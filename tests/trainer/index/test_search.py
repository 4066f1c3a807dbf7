"""Search: coarse equals brute force, fine equals the interaction module by hand, and what a person sees."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import cv2
import make_shards as shards_of
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_index import checkpoint, full, spoil

from schemas.errors import ConfigError
from trainer.index.build import index
from trainer.index.config import IndexSettings
from trainer.index.search import open_index
from trainer.index.searcher import SearchIndex, _best
from zoetrope import cli

TEXT = "a red square on green"
EVIL = "<script>alert('x')</script> & \"more\""


def main(arguments: list[str]) -> int:
    return cli.main(["search", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two stores: videos, and stills with hostile captions."""
    base = tmp_path_factory.mktemp("search")
    shards_of.write_shards(base / "videos", 2, 6, "video")
    shards_of.write_shards(base / "stills", 1, 3, "still", captions=(EVIL,))
    index(
        checkpoint(base / "model"),
        [str(base / "videos"), str(base / "stills")],
        base / "index",
        IndexSettings(device="cpu"),
    )
    return base


@pytest.fixture(scope="module")
def found(folder: Path) -> SearchIndex:
    return open_index(folder / "index", device="cpu")


def all_vectors(found: SearchIndex) -> np.ndarray:
    return np.concatenate([part.vectors_NE for part in found._parts])


def test_coarse_is_exact(found: SearchIndex) -> None:
    assert found.clips == 15
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(9, 64)).astype(np.float32)
    rows, scores = found.coarse(queries, 4)
    every = queries @ all_vectors(found).T
    np.testing.assert_array_equal(rows, np.argsort(-every, axis=1, kind="stable")[:, :4])
    np.testing.assert_allclose(scores, np.sort(every, axis=1)[:, ::-1][:, :4], rtol=1e-5)
    assert found.coarse(queries, 99)[0].shape == (9, 15)


def test_of_equal_clips_the_first_of_the_index_are_found(found: SearchIndex) -> None:
    rows, _ = found.coarse(np.zeros((2, 64), np.float32), 4)
    assert rows.tolist() == [[0, 1, 2, 3]] * 2
    assert sorted(_best(np.zeros((1, 1000), np.float32), 3)[0]) == [0, 1, 2]
    assert sorted(_best(np.float32([[1, 3, 2, 3, 2, 2]]), 3)[0]) == [1, 2, 3]


def test_a_text_finds_the_clips_nearest_to_it(found: SearchIndex) -> None:
    hits = found.search(TEXT, top=3, rerank=False)
    query = found.embed_text(TEXT).vectors_NE.numpy()
    every = all_vectors(found) @ query[0]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    np.testing.assert_allclose([hit.coarse for hit in hits], np.sort(every)[::-1][:3], rtol=1e-5)
    assert all(hit.match is None and hit.coarse_rank == hit.rank for hit in hits)
    assert hits[0].shard.endswith(".tar")


def test_re_ranking_orders_the_candidates_by_the_mixed_score(found: SearchIndex) -> None:
    hits = found.search(TEXT, top=5)
    coarse = found.search(TEXT, top=5, rerank=False)
    assert {hit.key for hit in hits} == {hit.key for hit in coarse}
    model = found.embedder.model
    scale = model.clip.logit_scale.exp().item()
    scores = [float(model.rerank_score(torch.tensor(scale * h.coarse), torch.tensor(h.match))) for h in hits]
    assert scores == sorted(scores, reverse=True)
    assert [coarse[hit.coarse_rank - 1].key for hit in hits] == [hit.key for hit in hits]
    rows, _ = found.coarse(found.embed_text(TEXT).vectors_NE.numpy(), 5)
    with torch.inference_mode():
        tokens = torch.from_numpy(np.concatenate([p.tokens_NTD for p in found._parts])[rows[0]]).float()
        from trainer.model.towers import tokenize

        text = model.encode_text(*tokenize([TEXT], 16))
        match = model.match(text.tokens.expand(5, -1, -1), text.mask.expand(5, -1), tokens, torch.ones(5, 4))
    np.testing.assert_allclose(
        [h.match for h in sorted(hits, key=lambda h: h.coarse_rank)], match.numpy(), atol=2e-3
    )
    assert len(found.search(TEXT, top=12)) == 12  # more than interaction.top_k = 5


def test_how_many_are_re_ranked_and_by_what_may_be_chosen(found: SearchIndex) -> None:
    every = found.search(TEXT, top=15, top_k=15, weight=1.0)
    assert [hit.match for hit in every] == sorted((hit.match for hit in every), reverse=True)
    assert [hit.coarse_rank for hit in found.search(TEXT, top=5, weight=0.0)] == [1, 2, 3, 4, 5]
    assert found.search(TEXT, top=1, top_k=15, weight=1.0)[0].key == every[0].key
    assert found.search(TEXT, top=1, top_k=1, weight=1.0)[0].coarse_rank == 1
    assert found.search(TEXT, top=5, weight=0.5) == found.search(TEXT, top=5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"top_k": 4, "top": 5}, "top_k = 4 must be at least top = 5"),
        ({"top_k": 0}, "top_k = 0 must be"),
        ({"weight": 1.5}, "weight = 1.5 must be 0 to 1"),
        ({"weight": float("nan")}, "weight = nan must be 0 to 1"),
        ({"weight": 0.5, "rerank": False}, "weight = 0.5 has no effect: re-ranking is off"),
    ],
)
def test_numbers_of_re_ranking_that_make_no_sense(found: SearchIndex, given: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        found.search(TEXT, **given)
    with pytest.raises(ConfigError, match="a picture or a video is not re-ranked"):
        found.search(image=shards_of.picture(3), top_k=20)


def test_a_picture_finds_itself(folder: Path, found: SearchIndex) -> None:
    (hit,) = found.search(TEXT, top=1)
    frames = found.frames(hit)
    assert frames.shape == (4, 32, 32, 3)
    picture = frames[0]
    vector = found.embedder.still(torch.from_numpy(picture.copy()), 4).vectors_NE.numpy()
    hits = found.search(image=picture, top=3)
    np.testing.assert_allclose(hits[0].coarse, (all_vectors(found) @ vector[0]).max(), rtol=1e-5)
    assert hits[0].match is None
    moving = found.embedder.videos(
        torch.from_numpy(picture.copy())[None, None].expand(1, 4, -1, -1, -1), torch.ones(1, 4), ["x"]
    )
    np.testing.assert_allclose(moving.vectors_NE.numpy(), vector, atol=1e-5)  # as four equal frames


def test_a_video_finds_itself(folder: Path, found: SearchIndex, tmp_path: Path, capsys) -> None:
    (hit,) = found.search(TEXT, top=1)
    frames = found.frames(hit)
    (first, *_) = found.search(video=frames, top=3)
    assert first.key == hit.key
    assert first.coarse == pytest.approx(1, abs=1e-5)
    assert first.match is None
    (tmp_path / "v.mp4").write_bytes(shards_of.mp4(frames))
    page = tmp_path / "v.html"
    where = str(folder / "index")
    assert main([where, "--video", str(tmp_path / "v.mp4"), "--html", str(page), "--device", "cpu"]) == 0
    assert hit.key in capsys.readouterr().out.splitlines()[1]
    assert "Clips like this video" in page.read_text()
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    assert main([where, "--video", str(tmp_path / "bad.mp4"), "--device", "cpu"]) == 2
    assert "bad.mp4: no video of a known kind" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"1 to 4 frames of 32x32, uint8 RGB .*, not \[9, 32, 32, 3\]"):
        found.search(video=np.zeros((9, 32, 32, 3), np.uint8))


def test_a_video_of_fewer_frames_is_padded_as_indexed_clips_are(folder: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 2, "video", frames=2)
    index(folder / "model", str(clips), tmp_path / "index", IndexSettings(device="cpu"))
    short = open_index(tmp_path / "index", device="cpu")
    (hit,) = short.search(TEXT, top=1)
    (first, *_) = short.search(video=short.frames(hit)[:2])
    assert first.key == hit.key
    assert first.coarse == pytest.approx(1, abs=1e-5)


def test_queries_that_cannot_be_asked(found: SearchIndex) -> None:
    for text in ("", "   ", "x" * 10_001):
        with pytest.raises(ValueError, match="characters"):
            found.search(text)
    with pytest.raises(ValueError, match="a text, a picture or a video"):
        found.search()
    with pytest.raises(ValueError, match="top = 0"):
        found.search(TEXT, top=0)


def test_the_page_needs_nothing_else_and_escapes_captions(folder: Path, tmp_path: Path, capsys) -> None:
    page = tmp_path / "result.html"
    assert main([str(folder / "index"), EVIL, "--top", "15", "--html", str(page), "--device", "cpu"]) == 0
    table = capsys.readouterr().out
    assert len(table.splitlines()) == 16
    html = page.read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert" in html
    assert not re.search(r"""(src|href|srcset)=["'](?!data:)""", html)
    assert "http" not in html.replace('http-equiv="Content-Security-Policy"', "")
    assert "prefers-color-scheme: dark" in html
    pictures = re.findall(r'<img alt="[^"]*" src="data:image/webp;base64,([^"]+)"', html)
    assert len(pictures) == 15
    for data in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (image.size, getattr(image, "n_frames", 1) >= 2) == ((32, 32), True)


def test_frames_of_a_clip_whose_shard_is_gone(found: SearchIndex, tmp_path: Path) -> None:
    from dataclasses import replace

    from storage.shards.read import ShardError

    (hit,) = found.search(TEXT, top=1)
    gone = replace(hit, shard=str(tmp_path / "gone.tar"))
    frames = found.frames_or_none([gone, hit, replace(hit, key="nobody")])
    assert [clip is None for clip in frames] == [True, False, True]
    np.testing.assert_array_equal(frames[1], found.frames(hit))
    with pytest.raises(ShardError, match="not there any more"):
        found.frames(gone)


def test_the_command(folder: Path, found: SearchIndex, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    where = str(folder / "index")
    assert main([where, TEXT, "--json", "--top", "2", "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["query"], said["clips"], len(said["hits"])) == (TEXT, 15, 2)
    assert (
        main([where, TEXT, "--json", "--top", "1", "--top-k", "15", "--weight", "1", "--device", "cpu"]) == 0
    )
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    assert hit["match"] == max(one.match for one in found.search(TEXT, top=15))
    assert main([where, TEXT, "--no-rerank", "--device", "cpu"]) == 0
    assert "match" not in capsys.readouterr().out.splitlines()[0]
    picture = tmp_path / "p.png"
    cv2.imwrite(str(picture), shards_of.picture(3)[..., ::-1])
    assert main([where, "--image", str(picture), "--html", str(tmp_path / "i.html"), "--device", "cpu"]) == 0
    assert "Clips like this picture" in (tmp_path / "i.html").read_text()
    capsys.readouterr()
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for arguments, message in (
        ([where], "a text, a picture or a video"),
        ([str(tmp_path), TEXT], "is no index"),
        ([where, TEXT, "--weight", "-1"], "weight = -1.0 must be 0 to 1"),
        ([where, TEXT, "--top-k", "3"], "top_k = 3 must be at least top = 10"),
        ([where, "--image", str(tmp_path / "bad.png")], "bad.png"),
        ([where, "--image", str(tmp_path / "none.png")], "none.png"),
        ([where, TEXT, "--html", str(tmp_path / "bad.png" / "r.html")], "cannot be written"),
    ):
        assert main([*arguments, "--device", "cpu"]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error
        assert len(error.splitlines()) == 1


def test_without_an_interaction_module_search_is_coarse(tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    index(
        checkpoint(tmp_path / "model", interaction=False),
        str(clips),
        tmp_path / "index",
        IndexSettings(device="cpu"),
    )
    found = open_index(tmp_path / "index", device="cpu")
    assert not found.can_rerank
    assert not list((tmp_path / "index").rglob("tokens.npy"))
    assert [hit.match for hit in found.search(TEXT, top=2)] == [None, None]
    with pytest.raises(ConfigError, match="top_k = 20 has no effect: the index has no frame tokens"):
        found.search(TEXT, top_k=20)
    with pytest.raises(ConfigError, match="is no index"):
        open_index(clips)


def test_an_index_without_clips_finds_nothing(tmp_path: Path) -> None:
    members = shards_of.sample(1)[1] | {"jpg": b"no picture"}
    shards_of.write_shard(tmp_path / "clips" / "0.tar", [("s000001", members)])
    settings = IndexSettings(device="cpu")
    index(checkpoint(tmp_path / "model"), str(tmp_path / "clips"), tmp_path / "index", settings)
    found = open_index(tmp_path / "index", device="cpu")
    assert (found.clips, found.can_rerank) == (0, True)
    assert found.search(TEXT) == []
    assert found.search(image=shards_of.picture(0)) == []


def test_a_diverged_interaction_module_is_an_error_that_names_a_clip(tmp_path: Path, capsys) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    broken = spoil(checkpoint(tmp_path / "model"), "interaction.norm.weight")
    index(broken, str(clips), tmp_path / "index", IndexSettings(device="cpu"))
    command = [str(tmp_path / "index"), TEXT, "--device", "cpu"]
    assert main(command) == 1
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert re.search(r"s00000\d and the text: .* not finite \(so for 4 of 4 pairs\)", error)
    assert main([*command, "--no-rerank"]) == 0


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (
            "model.clip2video.CLIP2Video.to",
            "no room for the model; is it in use? Free it, or give --device cpu",
        ),
        ("index.searcher.match_scores", "Free it, lower --top-k (now 10), or give --device cpu"),
        ("retrieval.embed.Embedder.still", "is the GPU in use? Free it, or give --device cpu"),
    ],
)
def test_out_of_memory_is_one_line_with_what_to_do(
    folder, tmp_path, monkeypatch, capsys, where: str, says: str
) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), shards_of.picture(3))
    query = ["--image", str(tmp_path / "p.png")] if "still" in where else [TEXT]
    monkeypatch.setattr(f"trainer.{where}", full)
    assert main([str(folder / "index"), *query, "--device", "cpu"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("zoetrope search: out of memory: ")
    assert says in error
    assert error.count("\n") == 1
