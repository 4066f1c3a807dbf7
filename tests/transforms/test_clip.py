import hashlib
import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from skimage import data

from schemas.clip import ClipMeta
from schemas.manifest import SAMPLES
from schemas.records import Reason, Reference, SampleError
from schemas.version import VERSION
from transforms.clip import Clip, draw_motion, finish, make_clip, prepare, render_clip, rerender
from transforms.media.encode import encode_picture
from transforms.media.pictures import PictureLimits, decode
from transforms.media.stored import stored_size
from transforms.media.video.mp4 import decode_mp4
from transforms.motions.mix import draw
from transforms.rendering.layers import footprints
from transforms.rendering.render import render, render_batch
from transforms.rows import sample_row
from transforms.settings import ClipSettings
from transforms.subject.subject import find_subject

LIMITS = PictureLimits()
REFERENCE = Reference(
    "k-0001",
    (" A  cat.", "", "A &amp; B"),
    "folder",
    url="http://x.test/a.jpg",
    image_id="77",
    meta={"split": "train"},
)
MOTION = [{"name": "zoom_in", "zoom": 1.5}]


def photo(height: int = 300, width: int = 400) -> np.ndarray:
    return cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def source() -> bytes:
    return encode_picture(photo(), "jpg", 95)


def settings(**values: Any) -> ClipSettings:
    return ClipSettings.make({"motions": MOTION, "clip": {"frames": 5, "size": [64, 96]}} | values)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def expected(source: bytes, clip: Clip) -> np.ndarray:
    size = (clip.meta.height, clip.meta.width)
    return render(decode(source, LIMITS).image_HWC, clip.meta.quads_T42(), size=size)


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_frames(source: bytes, format: str) -> None:
    clip = make_clip(source, REFERENCE, settings(encode={"format": format}))
    assert list(clip.members) == [f"{i:03d}.{format}" for i in range(5)] + ["txt", "json"]
    frames_THWC = expected(source, clip)
    for index, frame_HWC in enumerate(frames_THWC):
        shown_HWC = decode(clip.members[f"{index:03d}.{format}"], LIMITS).image_HWC
        assert error(shown_HWC, frame_HWC) <= (0 if format == "png" else 6)
    assert error(frames_THWC[0], frames_THWC[-1]) > 5, "the camera moves"


def test_mp4(source: bytes) -> None:
    clip = make_clip(source, REFERENCE, settings(store="mp4"))
    assert list(clip.members) == ["mp4", "txt", "json"]
    assert error(decode_mp4(clip.members["mp4"]), expected(source, clip)) < 6


def test_still_keeps_the_pixels_where_nothing_is_to_be_reduced(source: bytes) -> None:
    whole = settings(store="still", clip={"size": 400, "frames": 5})
    clip = make_clip(source, REFERENCE, whole)
    assert list(clip.members) == ["jpg", "txt", "json"]
    np.testing.assert_array_equal(
        decode(clip.members["jpg"], LIMITS).image_HWC, decode(source, LIMITS).image_HWC
    )
    assert clip.meta.quads_T42().shape == (5, 4, 2)


@pytest.mark.parametrize("size", [(1200, 1600), (901, 1203)])
def test_still_is_reduced_to_what_the_tightest_view_needs(size: tuple[int, int]) -> None:
    large = encode_picture(photo(*size), "jpg", 95)
    clip = make_clip(large, REFERENCE, settings(store="still"))
    still_HWC = decode(clip.members["jpg"], LIMITS).image_HWC
    assert still_HWC.shape[0] < size[0] / 4
    assert len(clip.members["jpg"]) < len(large) / 4
    shown_THWC = render(still_HWC, clip.meta.quads_T42(), size=(64, 96))
    assert error(shown_THWC, expected(large, clip)) < 4


def test_still_of_a_turned_picture_is_upright_and_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    out = io.BytesIO()
    Image.fromarray(photo()).save(out, "JPEG", quality=95, exif=exif)
    clip = make_clip(out.getvalue(), REFERENCE, settings(store="still", clip={"size": 400}))
    assert (clip.meta.original_height, clip.meta.original_width) == (400, 300)
    assert b"where I live" not in clip.members["jpg"]
    assert error(decode(clip.members["jpg"], LIMITS).image_HWC, decode(out.getvalue(), LIMITS).image_HWC) < 2


def test_text_and_json_say_what_the_sample_is(source: bytes) -> None:
    clip = make_clip(source, REFERENCE, settings(seed=3))
    meta = ClipMeta.from_json(clip.members["json"])
    assert meta == clip.meta
    assert clip.members["txt"] == b"A cat."
    assert meta.captions == ("A cat.", "A & B")
    assert (meta.key, meta.source, meta.url, meta.image_id) == (
        "k-0001",
        "folder",
        "http://x.test/a.jpg",
        "77",
    )
    assert (meta.original_height, meta.original_width, meta.height, meta.width) == (300, 400, 64, 96)
    assert (meta.frames, meta.fps, meta.store, meta.seed, meta.device) == (5, 8.0, "frames", 3, "cpu")
    assert meta.sha256 == hashlib.sha256(source).hexdigest()
    assert (meta.motion, meta.motion_parameters["zoom"], meta.motion_phrase) == ("zoom_in", 1.5, None)
    assert meta.meta == {"split": "train"}
    assert meta.version == VERSION
    drawn = draw_motion(settings(seed=3), "k-0001", (300, 400))
    np.testing.assert_array_equal(meta.quads_T42(), drawn.quads_T42)


@pytest.mark.parametrize("store", ["frames", "mp4", "still"])
@pytest.mark.parametrize("size", [(300, 400), (901, 1203)])
def test_a_clip_is_made_again_byte_for_byte(store: str, size: tuple[int, int]) -> None:
    picture = encode_picture(photo(*size), "jpg", 92)
    chosen = ClipSettings.make(
        {"store": store, "seed": 5, "captions": {"pick": "random", "motion_phrases": 0.5}}
    )
    clip = make_clip(picture, REFERENCE, chosen)
    assert make_clip(picture, REFERENCE, chosen) == clip, "from key and config"
    assert rerender(ClipMeta.from_json(clip.members["json"]), picture) == clip, "from KEY.json"


def test_rerender_wants_the_same_picture(source: bytes) -> None:
    clip = make_clip(source, REFERENCE, settings())
    with pytest.raises(ValueError, match=r"k-0001: sha256 of the picture is .* give the source picture"):
        rerender(clip.meta, source + b" ")
    with pytest.raises(ValueError, match="real video"):
        rerender(replace(clip.meta, kind="video"), source)


def test_the_three_steps_with_a_batch_between_are_the_whole(source: bytes) -> None:
    chosen = settings()
    references = [replace(REFERENCE, key=f"k-{i}") for i in range(3)]
    pictures = [
        source,
        encode_picture(photo(500, 310), "jpg", 90),
        encode_picture(photo(1203, 901), "png", 90),
    ]
    prepared = [
        prepare(data, reference, chosen) for data, reference in zip(pictures, references, strict=True)
    ]
    images = [sample.image_HWC for sample in prepared if sample.image_HWC is not None]
    batch = render_batch(images, [sample.quads_T42 for sample in prepared], size=(64, 96), device="cpu")
    for sample, frames_THWC, data_, reference in zip(prepared, batch, pictures, references, strict=True):
        assert finish(sample, frames_THWC, chosen) == make_clip(data_, reference, chosen)
        np.testing.assert_array_equal(frames_THWC, render_clip(sample)[..., :3])
    assert finish(prepared[0], batch[0], chosen, device="cuda:1").meta.device == "cuda"


def test_reduced_decoding_shows_the_same_place() -> None:
    """Sides that the scale does not divide must not shift the view: a dot keeps its place."""
    dot_HWC = np.full((1203, 1605, 3), 30, np.uint8)
    cv2.circle(dot_HWC, (1590, 1190), 9, (250, 250, 250), -1, cv2.LINE_AA)
    encoded = encode_picture(dot_HWC, "jpg", 98)
    clip = settings(motions=["static"], clip={"frames": 1, "size": [150, 200]}, encode={"format": "png"})
    prepared = prepare(encoded, REFERENCE, clip)
    assert prepared.image_HWC is not None
    assert prepared.image_HWC.shape[:2] == (301, 402)
    frames = render_clip(prepared)
    full = render(decode(encoded, LIMITS).image_HWC, prepared.meta.quads_T42(), size=(150, 200))
    assert frames is not None
    np.testing.assert_allclose(_centre(frames[0]), _centre(full[0]), atol=0.05)


def _centre(image_HWC: np.ndarray) -> np.ndarray:
    weights_HW = image_HWC[..., 1].astype(float) - 30
    weights_HW[weights_HW < 10] = 0
    y_HW, x_HW = np.mgrid[: weights_HW.shape[0], : weights_HW.shape[1]]
    return np.array([(weights_HW * x_HW).sum(), (weights_HW * y_HW).sum()]) / weights_HW.sum()


def test_phrases_come_with_their_probability_and_are_flagged(source: bytes) -> None:
    def phrase(key: str, p: float) -> tuple[str, str | None]:
        meta = prepare(source, replace(REFERENCE, key=key), settings(captions={"motion_phrases": p})).meta
        return meta.caption, meta.motion_phrase

    half = [phrase(f"k-{i}", 0.5) for i in range(60)]
    assert 15 < sum(said is not None for _, said in half) < 45
    for caption, said in half:
        assert caption == (f"A cat, {said}." if said else "A cat.")
    assert all(
        said is not None and "zoom" in said + "zoom" for _, said in (phrase(f"k-{i}", 1.0) for i in range(10))
    )
    assert all(said is None for _, said in (phrase(f"k-{i}", 0.0) for i in range(10)))


def test_seed_and_key_change_the_draw(source: bytes) -> None:
    first = make_clip(source, REFERENCE, settings(seed=0)).meta.quads
    assert make_clip(source, REFERENCE, settings(seed=1)).meta.quads != first
    assert make_clip(source, replace(REFERENCE, key="k-0002"), settings(seed=0)).meta.quads != first


def test_failures_are_sample_errors(source: bytes) -> None:
    with pytest.raises(SampleError) as caught:
        make_clip(source, replace(REFERENCE, captions=(" ", "")), settings())
    assert caught.value.reason == Reason.EMPTY_CAPTION
    with pytest.raises(SampleError) as caught:
        make_clip(source[: len(source) // 2], REFERENCE, settings())
    assert caught.value.reason == Reason.TRUNCATED


def test_sample_row_fits_the_table(source: bytes) -> None:
    clip = make_clip(source, REFERENCE, settings())
    row = sample_row(clip, "00000.tar")
    assert pa.Table.from_pylist([row], schema=SAMPLES).to_pylist()[0] | {"zoom": 0} == row | {"zoom": 0}
    assert set(row) == set(SAMPLES.names)
    assert row["bytes"] == sum(map(len, clip.members.values()))
    assert row["zoom"] > 1.5


FOCUS = {"focus": "subject", "subject_share": 0.7, "mix": ["pan_left", "zoom_in"]}


@pytest.mark.parametrize("store", ["frames", "still"])
def test_every_view_of_a_made_clip_holds_the_boxes(source: bytes, store: str) -> None:
    box = (250.0, 20.0, 120.0, 120.0)
    boxed = replace(REFERENCE, meta={"boxes": [list(box)]})
    subject = find_subject([box], (300, 400), lambda: photo())
    kept = settings(motions=FOCUS, store=store)
    free = settings(motions=FOCUS["mix"], store=store)
    poorest = {"kept": [], "free": []}
    for number in range(25):
        one = replace(boxed, key=f"k-{number}")
        for name, chosen in (("kept", kept), ("free", free)):
            made = make_clip(source, one, chosen)
            poorest[name].append(subject.held(made.meta.quads_T42()).min())
            assert made.meta.meta == {"boxes": [list(box)]}
        assert make_clip(source, one, kept).members == make_clip(source, one, kept).members
    assert min(poorest["kept"]) > 0.69, "0.7, and the best of the draws"
    assert min(poorest["free"]) < 0.3


def test_without_boxes_the_subject_is_what_is_salient(source: bytes) -> None:
    subject = find_subject([], (300, 400), lambda: photo())
    made = [make_clip(source, replace(REFERENCE, key=f"k-{n}"), settings(motions=FOCUS)) for n in range(15)]
    free = [
        make_clip(source, replace(REFERENCE, key=f"k-{n}"), settings(motions=FOCUS["mix"])) for n in range(15)
    ]
    held, before = (
        np.mean([subject.held(clip.meta.quads_T42()).min() for clip in clips]) for clips in (made, free)
    )
    assert held > before + 0.1


def test_boxes_that_are_none_are_a_failure_with_a_focus_and_ignored_without(source: bytes) -> None:
    wrong = replace(REFERENCE, meta={"boxes": [[1, 2]]})
    with pytest.raises(SampleError) as error:
        make_clip(source, wrong, settings(motions=FOCUS))
    assert (error.value.reason, "is no box" in error.value.detail) == (Reason.MALFORMED_ROW, True)
    assert make_clip(source, wrong, settings()).meta.meta == {"boxes": [[1, 2]]}


def test_a_still_for_the_mix_is_not_magnified_by_fresh_paths() -> None:
    big = encode_picture(photo(900, 1200), "jpg", 95)
    mix = [{"name": "zoom_in", "zoom": [1.0, 3.0]}]
    sizes = {}
    for chosen in ("path", "mix"):
        made = settings(store="still", motions=mix, encode={"still_for": chosen})
        worst = []
        for number in range(8):
            key = f"k-{number}"
            still = make_clip(big, replace(REFERENCE, key=key), made).members["jpg"]
            assert (
                rerender(
                    ClipMeta.from_json(make_clip(big, replace(REFERENCE, key=key), made).members["json"]),
                    big,
                    made,
                ).members["jpg"]
                == still
            )
            size = stored_size(still)
            sizes.setdefault(chosen, set()).add(size)
            paths = [draw(made.motions, seed=s, image_size=size, frames=5, size=(64, 96)) for s in range(40)]
            worst.append(
                min(float(footprints(p.quads_T42.astype(float), size, (64, 96)).min()) for p in paths)
            )
        assert (min(worst) >= 0.99) == (chosen == "mix")
    assert min(sizes["mix"]) > min(sizes["path"])
