import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from preview.show.animation import decode_webp
from preview.show.preview import SHEET, preview
from preview.show.sheets import GAP, LABEL
from schemas.errors import ConfigError
from transforms.motions import built_in_motions, sample_motion
from transforms.rendering.render import render
from transforms.subject.subject import find_subject
from zoetrope.commands.preview import main, parse_size

H, W = 150, 200


@pytest.fixture
def still(tmp_path, make_picture):
    path = tmp_path / "cat.png"
    Image.fromarray(make_picture(H, W)).save(path)
    return str(path)


@pytest.fixture
def expected(still):
    image = np.asarray(Image.open(still).convert("RGB"))
    quads = sample_motion("zoom_in", seed=3, image_size=(H, W), frames=7, size=(48, 64), fps=10.0, zoom=2.0)
    return render(image, quads, size=(48, 64))


ARGS = ["--motion", "zoom_in", "zoom=2.0", "--seed", "3", "--frames", "7", "--size", "64x48", "--fps", "10"]


def coarse(image):
    h, w = image.shape[0] // 4, image.shape[1] // 4
    return image[: 4 * h, : 4 * w].reshape(h, 4, w, 4, 3).mean((1, 3))


def error(a, b):  # of 4x4 means: a dithered or compressed picture is right on average
    return float(np.abs(coarse(a) - coarse(b)).mean())


def test_webp_is_the_renderers_pixels_at_the_right_pace(still, expected, tmp_path):
    out = tmp_path / "out.webp"
    assert main([still, *ARGS, "-o", str(out)]) == 0
    frames, durations = decode_webp(out.read_bytes())
    np.testing.assert_array_equal(frames, expected)
    assert sum(durations) == 700


def test_gif_is_near_the_renderers_pixels_and_loops(still, expected, tmp_path):
    out = tmp_path / "out.gif"
    assert main([still, *ARGS, "-o", str(out)]) == 0
    frames, durations = decode_webp(out.read_bytes())
    assert frames.shape == expected.shape
    assert sum(durations) == 700
    assert error(frames[0], expected[0]) < 6
    assert error(frames[-1], expected[-1]) < 6
    with Image.open(out) as image:
        assert image.info["loop"] == 0


def test_mp4_is_near_the_renderers_pixels(still, expected, tmp_path):
    import av

    out = tmp_path / "out.mp4"
    assert main([still, *ARGS, "-o", str(out)]) == 0
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 10.0
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert np.stack(frames).shape == expected.shape
    assert error(frames[0], expected[0]) < 8
    assert error(frames[-1], expected[-1]) < 8


def test_png_is_a_sheet_of_the_renderers_pixels(still, expected, tmp_path):
    out = tmp_path / "out.png"
    assert main([still, *ARGS, "-o", str(out)]) == 0
    sheet = np.asarray(Image.open(out))
    columns = (sheet.shape[1] + GAP) // (64 + GAP)
    for t, frame in enumerate(expected):
        y, x = t // columns * (48 + LABEL + GAP), t % columns * (64 + GAP)
        np.testing.assert_array_equal(sheet[y : y + 48, x : x + 64], frame)


def test_compositions_ranges_and_defaults(still):
    shown = preview(still, "rotate_cw+zoom_in", seed=1, zoom=[1.5, 1.6], frames=5, size=(32, 32))
    assert 1.5 <= shown.clips[0].trajectory.parameters["zoom_in.zoom"] <= 1.6
    assert shown.frames_THWC.shape == (5, 32, 32, 3)


def test_every_motion_on_one_sheet(still, tmp_path):
    out = tmp_path / "all.webp"
    assert main([still, "--all", "--frames", "3", "--size", "32", "-o", str(out)]) == 0
    shown = preview(still, every_motion=True, frames=3, size=(32, 32))
    assert [clip.label for clip in shown.clips] == list(built_in_motions())
    np.testing.assert_array_equal(decode_webp(out.read_bytes())[0], shown.frames_THWC)


def test_path_colours_the_views_in_time(still, tmp_path):
    plain, out = preview(still, "zoom_in", seed=3, zoom=2.0), tmp_path / "path.png"
    assert main([still, "--motion", "zoom_in", "zoom=2.0", "--seed", "3", "--path", "-o", str(out)]) == 0
    picture = np.asarray(Image.open(out)).astype(int)
    (left, top), right = (
        plain.clips[0].trajectory.quads_T42[-1][0],
        plain.clips[0].trajectory.quads_T42[-1][1][0],
    )
    x, y = round((left + right) / 2 * (W - 1)), round(top * (H - 1))
    last = picture[max(y - 1, 0) : y + 2, x].mean(0)
    assert last[0] > 150
    assert last[1] > 150
    assert last[2] < 140  # yellow
    first = picture[0, W // 2]
    assert first[2] > first[0] + 40  # dark blue


def test_folders_and_globs_make_a_labelled_grid(tmp_path, make_picture):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(make_picture(H, W, i)).save(folder / f"{i}.jpg")
    (folder / "0.txt").write_text("a caption")
    shown = preview(str(folder), frames=2, size=(40, 40))
    assert [clip.label for clip in shown.clips] == ["0.jpg", "1.jpg", "2.jpg"]
    assert len(preview([str(folder / "*.jpg"), str(folder / "1.jpg")], frames=2, size=(40, 40)).clips) == 3
    assert shown.frames_THWC.shape[0] == 2


def test_a_notebook_gets_moving_html_and_a_png(still):
    shown = preview(still, frames=3, size=(32, 32))
    assert shown._repr_html_().startswith('<img src="data:image/webp;base64,')
    with Image.open(io.BytesIO(shown._repr_png_())) as image:
        assert image.format == "PNG"


def test_same_arguments_same_bytes(still):
    first, second = (preview(still, "crop_jitter", seed=5, frames=4).encode(".webp") for _ in range(2))
    assert first == second
    assert preview(still, "crop_jitter", seed=6, frames=4).encode(".webp") != first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--motion", "zoom_inn"], "nearest is zoom_in"),
        (["zoom=99"], "1 to 8 x"),
        (["zoomm=2"], "zoom"),
        (["-o", "out.avi"], "ending must be one of"),
        (["--frames", "0"], "frames"),
        (["--frames", "many"], "--frames"),
        (["--size", "4x"], "size"),
        (["--fps", "0"], "fps"),
        (["--frames", "9000", "--size", "900"], "GB"),
        (["--all", "zoom=2"], "one motion"),
        (["--key", "a"], "go together"),
        (["-o", "{tmp}/cat.png/out.gif"], "cannot be written"),
    ],
)
def test_bad_usage_is_one_line(still, tmp_path, arguments, words):
    arguments = [a.replace("{tmp}", str(tmp_path)) for a in arguments]
    out = [] if "-o" in arguments else ["-o", str(tmp_path / "x.gif")]
    with pytest.raises(ConfigError, match=words) as caught:
        main([still, *out, *arguments])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.gif").exists()


@pytest.mark.parametrize("kind", ["text", "tiny", "missing", "cut"])
def test_bad_pictures_exit_2_with_one_line(tmp_path, make_picture, kind):
    path = tmp_path / "p.jpg"
    if kind == "text":
        path.write_text("no picture at all")
    elif kind == "tiny":
        Image.new("RGB", (1, 1)).save(path)
    elif kind == "cut":
        Image.fromarray(make_picture(H, W)).save(path)
        path.write_bytes(path.read_bytes()[:900])
    command = [sys.executable, "-m", "zoetrope.cli", "preview", str(path), "-o", str(tmp_path / "o.gif")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "p.jpg" in done.stderr


def test_sizes_are_width_then_height():
    assert parse_size("224") == (224, 224)
    assert parse_size("320x240") == (240, 320)


def test_the_subject_stays_in_view_on_request(tmp_path):
    picture = np.zeros((H, W, 3), np.uint8)
    picture[20:40, 160:180] = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    subject = find_subject([(160.0, 20.0, 20.0, 20.0)], (H, W), lambda: picture)
    shown = {
        focus: [preview(picture, "zoom_in", seed=s, focus=focus, frames=4) for s in range(8)]
        for focus in ("any", "subject")
    }
    held = {
        f: [subject.held(p.clips[0].trajectory.quads_T42).min() for p in made] for f, made in shown.items()
    }
    assert min(held["subject"]) > 0.5 > min(held["any"])


def test_pil_images_arrays_and_files_can_be_shown_together(still):
    with Image.open(still) as image:
        turned = image.convert("RGB")
        turned.getexif()[0x0112] = 3  # upside down
        data = io.BytesIO()
        turned.save(data, "PNG", exif=turned.getexif())
    array_HWC = np.asarray(turned)
    shown = preview([Image.open(data), array_HWC, still], "static", size=64, frames=2)
    assert [clip.label for clip in shown.clips] == ["picture 1", "picture 2", "cat.png"]
    assert shown.clips[0].frames_THWC.shape == (2, 64, 64, 3)
    first, second, third = (clip.frames_THWC for clip in shown.clips)
    np.testing.assert_array_equal(second, third)
    upside_down = preview(Image.fromarray(array_HWC[::-1, ::-1]), "static", size=64, frames=2)
    np.testing.assert_array_equal(first, upside_down.frames_THWC)  # the EXIF orientation counts


def test_frames_of_many_clips_are_smaller_unless_a_size_is_given(still):
    array_HWC = np.asarray(Image.open(still).convert("RGB"))
    few, many = preview([array_HWC] * 4, frames=1), preview([array_HWC] * 64, every_motion=False, frames=1)
    assert few.clips[0].frames_THWC.shape[1:] == (224, 224, 3)
    assert many.clips[0].frames_THWC.shape[1:] == (224, 224, 3)
    every = preview([array_HWC] * 8, every_motion=True, frames=1)
    assert every.clips[0].frames_THWC.shape[1] < 224
    assert every.frames_THWC.shape[2] <= SHEET + 100


def test_a_pipe_gets_lines_of_progress(still, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("zoetrope.commands.preview.LINE_SECONDS", 0.0)
    assert main([still, "--all", "--frames", "2", "--size", "16", "-o", str(tmp_path / "a.png")]) == 0
    lines = capsys.readouterr().err.splitlines()
    count = len(built_in_motions())
    assert f"zoetrope preview: 1 of {count} clips" in lines
    assert f"zoetrope preview: {count} of {count} clips" in lines
