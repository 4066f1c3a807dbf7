"""The pure function at the heart of the job: a picture and its captions become a sample.

`make_clip` is `prepare` (`plan`, `load`), `render_clip`, `finish` (`encode`, `with_texts`). They are separate
for two reasons. The job renders a batch of many samples on a GPU, and it takes a handful of samples through
one stage before the next. `transforms.settings` has the settings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from types import MappingProxyType
from typing import Any

import numpy as np

from schemas.clip import ClipMeta, json_member, quads_to_json
from schemas.keys import derive_seed
from schemas.records import Reason, Reference, SampleError, Stage
from schemas.version import VERSION
from transforms.captions import add_motion_phrase, choose, normalise_all
from transforms.media.pictures import Header, decode, read_header
from transforms.motions.mix import draw
from transforms.motions.tightest import centred_view
from transforms.motions.trajectory import Trajectory
from transforms.rendering.homography import checked_quads
from transforms.rendering.layers import footprints
from transforms.rendering.render import render_batch
from transforms.rendering.shrink import REDUCE_TO
from transforms.settings import ClipSettings
from transforms.stores.base import FrameStore, PictureStore, Still
from transforms.stores.registry import find_store
from transforms.subject.boxes import boxes_in
from transforms.subject.saliency import SALIENCY_NEEDS
from transforms.subject.subject import Subject, find_subject

_SPARE = 1.5  # picture pixels that a reduced decode leaves to an output pixel of the tightest view


@dataclass(frozen=True, eq=False, slots=True)
class Planned:
    """A sample before decoding."""

    data: bytes  # the encoded picture
    header: Header
    meta: ClipMeta  # complete but for the device
    quads_T42: np.ndarray  # float32, fractions of the picture


@dataclass(frozen=True, eq=False)  # without slots, which slow pickling down
class Prepared:
    """A sample between decoding and rendering."""

    meta: ClipMeta  # complete but for the device
    quads_T42: np.ndarray  # float32, fractions of image_HWC, which may exceed the picture by part of a pixel
    image_HWC: np.ndarray | None  # uint8 RGB; None where nothing is rendered
    kept: Mapping[str, bytes] = field(default_factory=dict)  # members that hold the picture itself


@dataclass(frozen=True, slots=True)
class Clip:
    """A finished sample."""

    members: dict[str, bytes]  # extension after the key -> bytes, in the order of the shard
    meta: ClipMeta


def make_clip(data: bytes, reference: Reference, settings: ClipSettings, *, device: str = "cpu") -> Clip:
    """Make one sample.

    The same arguments give the same bytes. Raises SampleError.
    """
    prepared = prepare(data, reference, settings)
    return finish(prepared, render_clip(prepared, device=device), settings, device=device)


def prepare(
    data: bytes,
    reference: Reference,
    settings: ClipSettings,
    *,
    scores: Mapping[str, float] = MappingProxyType({}),
) -> Prepared:
    """Do as `plan`, then as `load`."""
    return load(plan(data, reference, settings, scores=scores), settings)


def plan(
    data: bytes,
    reference: Reference,
    settings: ClipSettings,
    *,
    scores: Mapping[str, float] = MappingProxyType({}),
) -> Planned:
    """Captions, header and trajectory, before any pixel is decoded.

    `data` is the encoded picture, `scores` those of the filters, for KEY.json. Raises SampleError (stage
    caption or decode).
    """
    captions = normalise_all(reference.captions, settings.captions.max_length)
    header = read_header(data, settings.pictures)
    subject = subject_of(data, header, reference.meta, settings)
    trajectory = draw_motion(settings, reference.key, header.size, subject)
    caption, phrase = _caption(captions, trajectory, settings, reference.key)
    meta = ClipMeta(
        key=reference.key,
        caption=caption,
        captions=captions,
        source=reference.source,
        store=settings.store,
        frames=settings.clip.frames,
        fps=settings.clip.fps,
        width=settings.clip.hw[1],
        height=settings.clip.hw[0],
        url=reference.url,
        image_id=reference.image_id,
        original_width=header.size[1],
        original_height=header.size[0],
        sha256=hashlib.sha256(data).hexdigest(),
        motion=trajectory.motion,
        motion_parameters=trajectory.parameters,
        motion_phrase=phrase,
        seed=settings.seed,
        quads=quads_to_json(trajectory.quads_T42),
        version=VERSION,
        meta=reference.meta,
        scores=dict(scores),
    )
    return Planned(data, header, meta, trajectory.quads_T42)


def subject_of(
    data: bytes, header: Header, meta: Mapping[str, Any], settings: ClipSettings
) -> Subject | None:
    """Find the subject that `motions.focus=subject` keeps in view, by the boxes in `meta` or by saliency.

    None for another focus, and for a picture without contrast. Raises SampleError for boxes that are none.
    """
    if settings.motions.focus != "subject":
        return None
    try:
        boxes = boxes_in(meta)
    except ValueError as error:
        raise SampleError(Stage.PLAN, Reason.MALFORMED_ROW, str(error)) from None

    def picture() -> np.ndarray:
        return decode(data, settings.pictures, need=SALIENCY_NEEDS, header=header).image_HWC

    return find_subject(boxes, header.size, picture)


def draw_motion(
    settings: ClipSettings, key: str, image_size: tuple[int, int], subject: Subject | None = None
) -> Trajectory:
    """Draw the camera motion of a sample by its key, the seed and the (H, W) of the upright picture."""
    return draw(
        settings.motions,
        seed=derive_seed(settings.seed, key, "motion"),
        image_size=image_size,
        frames=settings.clip.frames,
        size=settings.clip.hw,
        fps=settings.clip.fps,
        subject=subject,
    )


def load(planned: Planned, settings: ClipSettings) -> Prepared:
    """Decode the picture at the scale that its trajectory needs. Raises SampleError (stage decode)."""
    data, header, meta, quads_T42 = planned.data, planned.header, planned.meta, planned.quads_T42
    store, size = find_store(meta.store), (meta.height, meta.width)
    keeps = isinstance(store, PictureStore)
    shown_T42 = quads_T42
    # Readers will draw other paths of the mix, so the picture keeps the pixels for the tightest of them.
    if keeps and settings.encode.still_for == "mix":
        share = min(REDUCE_TO * settings.tightest_share, 1.0)  # the tightest view is shown at 1:1
        any_142 = centred_view(share, image_size=header.size, size=size)
        shown_T42 = np.concatenate([quads_T42, any_142])
    finest = float(footprints(shown_T42, header.size, size).min())
    # The smallest picture whose tightest view still has _SPARE pixels per output pixel.
    need = (ceil(header.size[0] * _SPARE / finest), ceil(header.size[1] * _SPARE / finest))
    picture = decode(data, settings.pictures, need=need, exact=keeps, header=header)
    if isinstance(store, PictureStore):
        still = Still(data, header, picture.image_HWC, shown_T42, size)
        return Prepared(meta, quads_T42, None, store.keep(still, settings.encoding))
    return Prepared(meta, quads_T42 * np.asarray(picture.extent[::-1], np.float32), picture.image_HWC)


def render_clip(prepared: Prepared, *, device: str = "cpu") -> np.ndarray | None:
    """Render uint8 RGB [T,h,w,3], or RGBX [T,h,w,4] for stores that take it; None for a kept picture."""
    store = find_store(prepared.meta.store)
    if prepared.image_HWC is None or not isinstance(store, FrameStore):
        return None
    size = (prepared.meta.height, prepared.meta.width)
    images, paths = [prepared.image_HWC], [prepared.quads_T42]
    return render_batch(images, paths, size=size, device=device, rgbx=store.takes_rgbx)[0]


def finish(
    prepared: Prepared, frames_THWC: np.ndarray | None, settings: ClipSettings, *, device: str = "cpu"
) -> Clip:
    """Do as `encode`, then as `with_texts`."""
    return with_texts(encode(prepared, frames_THWC, settings, device=device))


def encode(
    prepared: Prepared, frames_THWC: np.ndarray | None, settings: ClipSettings, *, device: str = "cpu"
) -> Clip:
    """Encode what was rendered (None for store=still); `device` is where."""
    meta = prepared.meta
    kind = "cpu"
    if frames_THWC is not None:
        kind = device.partition(":")[0]
    if kind != meta.device:
        meta = replace(meta, device=kind)
    return Clip(_members(prepared, frames_THWC, settings), meta)


def with_texts(clip: Clip) -> Clip:
    """Add KEY.txt and KEY.json. Raises SampleError if KEY.json is too large."""
    texts = {"txt": clip.meta.caption.encode(), "json": json_member(clip.meta)}
    return Clip({**clip.members, **texts}, clip.meta)


def rerender(
    meta: ClipMeta, data: bytes, settings: ClipSettings | None = None, *, device: str | None = None
) -> Clip:
    """Make a sample from its KEY.json and the source picture: the stored bytes, on the same kind of device.

    Of `settings` only `encode`, `video` and `pictures` count, which KEY.json does not hold, and with
    `encode.still_for=mix` also `motions` and `clip`; the default is the defaults'. `device` is by
    default the one in `meta`. Raises ValueError if `data` is not the picture, or the sample a real video.
    """
    if meta.kind != "animated":
        raise ValueError(f"{meta.key}: is a real video, which has no picture to be rendered from")
    if (found := hashlib.sha256(data).hexdigest()) != meta.sha256:
        raise ValueError(
            f"{meta.key}: sha256 of the picture is {found}, but KEY.json has {meta.sha256}; "
            "give the source picture"
        )
    settings, device = settings or ClipSettings(), device or meta.device
    quads_T42 = meta.quads_T42()
    checked_quads(quads_T42)
    prepared = load(Planned(data, read_header(data, settings.pictures), meta, quads_T42), settings)
    return finish(prepared, render_clip(prepared, device=device), settings, device=device)


def _caption(
    captions: Sequence[str], trajectory: Trajectory, settings: ClipSettings, key: str
) -> tuple[str, str | None]:
    caption = choose(captions, settings.captions.pick, seed=settings.seed, key=key)
    return add_motion_phrase(
        caption,
        trajectory.motion,
        trajectory.parameters,
        probability=settings.captions.motion_phrases,
        seed=settings.seed,
        key=key,
    )


def _members(prepared: Prepared, frames_THWC: np.ndarray | None, settings: ClipSettings) -> dict[str, bytes]:
    store = find_store(prepared.meta.store)
    if frames_THWC is None or not isinstance(store, FrameStore):
        return dict(prepared.kept)
    return store.encode(frames_THWC, prepared.meta.fps, settings.encoding)
