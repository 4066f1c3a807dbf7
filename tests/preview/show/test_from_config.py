import io

import numpy as np
import pytest
import yaml
from PIL import Image

from preview.show.animation import decode_webp
from schemas.errors import ConfigError
from storage.shards.read import iter_shard
from transforms.stores.frames import encoded_frames
from zoetrope.commands.preview import main


@pytest.fixture
def config(tmp_path, make_picture):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(make_picture(140, 180, i)).save(folder / f"cat{i}.png")
        (folder / f"cat{i}.txt").write_text(f"cat number {i}")
    (folder / "dog.png").write_text("no picture")
    (folder / "dog.txt").write_text("a dog")
    values = {
        "source": {"kind": "folder", "uri": str(folder)},
        "output": str(tmp_path / "clips"),
        "seed": 9,
        "motions": ["rotate_cw+zoom_in", "pan_left"],
        "clip": {"frames": 4, "fps": 8, "size": [48, 64]},
        "encode": {"format": "png"},
        "max_failure_ratio": 1.0,
    }
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_shows_exactly_what_the_job_makes(config, tmp_path):
    from zoetrope.commands.animate import main as animate

    assert animate(["--config", str(config), "workers=1"]) == 0
    samples = list(iter_shard(str(tmp_path / "clips" / "00000.tar")))
    assert len(samples) == 3
    for sample in samples:
        out = tmp_path / "out.webp"
        assert main(["--config", str(config), "--key", sample.key, "-o", str(out)]) == 0
        stored = [np.asarray(Image.open(io.BytesIO(data))) for data in encoded_frames(sample.members)]
        np.testing.assert_array_equal(decode_webp(out.read_bytes())[0], np.stack(stored))


def test_overrides_and_path(config, tmp_path):
    out = tmp_path / "out.png"
    key = "folder-00000001-cat1"
    assert main(["--config", str(config), "--key", key, "--path", "motions=[tilt]", "-o", str(out)]) == 0
    assert Image.open(out).size[0] == 180


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key", "nothing"], "no such key; keys look like folder-00000000-cat0"),
        (["--key", "folder-00000003-dog"], "not_an_image"),
        (["--key", "x", "clip.frames=0"], "frames"),
        (["--key", "x", "--motion", "tilt"], "no effect"),
    ],
)
def test_what_cannot_be_shown_is_one_line(config, tmp_path, arguments, words):
    with pytest.raises(ConfigError, match=words) as caught:
        main(["--config", str(config), *arguments, "-o", str(tmp_path / "o.gif")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "key", "words"),
    [
        (
            {"rows": ["crash"]},
            "k0-0",
            r"--key k0-0: fails in the job: read: decoder_crash: a\.tar: ended the process",
        ),
        ({"rows": [], "plan": ["memory"]}, "x", r"memory\.json: .*needed more than 64 MB"),
        ({"rows": [], "plan": ["spin"]}, "x", r"spin\.json: .*took over 0\.2 seconds"),
    ],
)
def test_a_hostile_source_is_parsed_within_the_job_s_limits(tmp_path, options, key, words):
    source = {"kind": "hostile_source:HostileSource", "options": options}
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump({"source": source, "output": "out"}))
    limits = ["limits.seconds=0.2", "limits.memory_mb=64"]
    with pytest.raises(ConfigError, match=words) as caught:
        main(["--config", str(job), "--key", key, *limits, "-o", str(tmp_path / "o.gif")])
    assert "\n" not in str(caught.value)
