import contextlib
import io
import random
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from skimage import data

from schemas.errors import ConfigError
from transforms.media.video.mp4 import VideoConfig, decode_mp4, encode_mp4, iter_mp4


@pytest.fixture(scope="module")
def frames_THWC() -> np.ndarray:
    picture = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    return np.stack([picture[2 * i : 2 * i + 128, 3 * i : 3 * i + 160] for i in range(12)])


def test_frames_and_colours_come_back(frames_THWC: np.ndarray) -> None:
    decoded_THWC = decode_mp4(encode_mp4(frames_THWC, 8.0))
    assert decoded_THWC.dtype == np.uint8
    error = decoded_THWC.astype(int) - frames_THWC
    assert np.abs(error).mean() < 3
    assert np.abs(error.mean((0, 1, 2))).max() < 1, "no colour leans to a side"


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (120, 130, 140)]
)
def test_plain_colours_by_tags_and_by_the_old_default(colour: tuple[int, int, int], tmp_path) -> None:
    plain_THWC = np.broadcast_to(np.uint8(colour), (3, 64, 64, 3))
    encoded = encode_mp4(plain_THWC, 8.0)
    assert np.abs(decode_mp4(encoded).astype(int) - plain_THWC).max() <= 3
    path = tmp_path / "plain.mp4"
    path.write_bytes(encoded)
    done, frame = cv2.VideoCapture(str(path)).read()
    assert done
    assert np.abs(frame[..., ::-1].astype(int) - plain_THWC[0]).max() <= 4


def test_a_photograph_gives_the_same_bytes_however_often_and_whatever_lies_in_memory() -> None:
    image_HWC, rng = data.coffee()[:300, :300], np.random.default_rng(0)
    frames_THWC = np.stack([image_HWC[t : t + 224, 2 * t : 2 * t + 224] for t in range(12)])
    made, junk = set(), []
    for _ in range(40):
        junk = [*junk[-4:], rng.bytes(int(rng.integers(1_000, 400_000)))]
        made.add(encode_mp4(frames_THWC, 8.0, crf=18, preset="veryfast"))
    assert len(made) == 1


def test_equal_frames_give_equal_bytes(frames_THWC: np.ndarray) -> None:
    assert encode_mp4(frames_THWC, 8.0) == encode_mp4(frames_THWC, 8.0)
    assert encode_mp4(frames_THWC, 8.0) != encode_mp4(frames_THWC, 8.0, crf=30)


@pytest.mark.parametrize("fps", [8.0, 12.5, 0.5, 30000 / 1001, 60])
def test_rate_and_times_are_exact(frames_THWC: np.ndarray, fps: float) -> None:
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(io.BytesIO(encode_mp4(frames_THWC, fps))) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        assert stream.frames == 12
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
    assert times == [index / rate for index in range(12)]


def test_the_index_stands_before_the_frames_and_colours_are_tagged(frames_THWC: np.ndarray) -> None:
    for clip_THWC in (frames_THWC[:1], frames_THWC, np.concatenate([frames_THWC[:, :32, :32]] * 80)):
        encoded = encode_mp4(clip_THWC, 8.0)
        assert encoded.index(b"moov") < encoded.index(b"mdat")
        assert decode_mp4(encoded).shape == clip_THWC.shape
    with av.open(io.BytesIO(encoded)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (
            6,
            6,
            6,
            1,
        )
        assert context.pix_fmt == "yuv420p"


def test_odd_sizes_and_other_arrays_are_errors(frames_THWC: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"frame size = \[127, 160\]: .* must be even .* use \[128, 160\]"):
        encode_mp4(frames_THWC[:, :127], 8.0)
    with pytest.raises(ValueError, match="must be uint8"):
        encode_mp4(frames_THWC.astype(np.float32), 8.0)
    with pytest.raises(ValueError, match="must be uint8"):
        encode_mp4(frames_THWC[:0], 8.0)
    with pytest.raises(ConfigError, match=r"crf = 52 .* >= 0 and <= 51"):
        VideoConfig.make({"crf": 52})


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.3, 0.7, 0.95])
def test_a_truncated_video_is_an_error(frames_THWC: np.ndarray, kept: float) -> None:
    encoded = encode_mp4(frames_THWC, 8.0)
    with pytest.raises(ValueError, match="mp4: "):
        decode_mp4(encoded[: int(len(encoded) * kept)])


def test_caps_hold(frames_THWC: np.ndarray) -> None:
    encoded = encode_mp4(frames_THWC, 8.0)
    pixels = frames_THWC.size // 3
    with pytest.raises(ValueError, match="more than 11 frames"):
        decode_mp4(encoded, max_frames=11)
    with pytest.raises(ValueError, match=f"more than {pixels - 1} pixels over its frames"):
        decode_mp4(encoded, max_pixels=pixels - 1)
    assert len(decode_mp4(encoded, max_frames=12, max_pixels=pixels)) == 12


def test_only_the_picked_frames_are_yielded_and_they_are_those_of_the_whole(frames_THWC: np.ndarray) -> None:
    encoded = encode_mp4(frames_THWC, 8.0)
    counts = []

    def pick(count: int) -> list[int]:
        counts.append(count)
        return [0, 4, 4, 11]

    whole = decode_mp4(encoded)
    np.testing.assert_array_equal(np.stack(list(iter_mp4(encoded, pick))), whole[[0, 4, 4, 11]])
    assert counts == [12]


def test_other_containers_and_codecs_are_not_opened() -> None:
    for text in (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile x.mp4\n",
    ):
        with pytest.raises(ValueError, match="mp4: "):
            decode_mp4(text)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(2):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24"))
            )
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="mp4: "):
        decode_mp4(out.getvalue())


def test_damaged_videos_raise_only_value_errors(frames_THWC: np.ndarray) -> None:
    encoded = encode_mp4(frames_THWC[:4, :64, :64], 8.0)
    randomly = random.Random(3)
    for _ in range(300):
        damaged = bytearray(encoded)
        for _ in range(3):
            damaged[randomly.randrange(len(damaged) if randomly.random() < 0.5 else 1200)] = (
                randomly.randrange(256)
            )
        with contextlib.suppress(ValueError):
            assert decode_mp4(bytes(damaged)).shape[3] == 3
