"""Which samples show the same: pictures by identity or by bytes, and motions by what the captions say.

Two clips that show the same picture or video are equal, and so no negatives of each other. They differ only
if both captions say how the camera moves, and say different things. Pictures are the same if their image ids
or the SHA-256 sums of their source bytes are equal. Videos have ids alone, because several clips may be cut
from one file.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from torch import Tensor

from schemas.clip import ClipMeta

UNSAID = 0  # the motion of a clip whose caption says nothing of it


class Identity(NamedTuple):
    """Signed 64-bit hashes, so that a tensor [N,3] can hold the identities of a batch."""

    item: int  # of the source's name for the picture or video
    content: int  # of the picture's bytes, or else of `item`
    motion: int  # of the motion that the caption names, or UNSAID

    @property
    def keys(self) -> tuple[tuple[str, int, int], ...]:
        """Samples of one evaluation with a key in common are one video."""
        return ("item", self.item, self.motion), ("content", self.content, self.motion)


def identity_of(meta: ClipMeta, motion: str | None) -> Identity:
    """Return the identity of a clip; `motion` is the camera motion in its caption (see `motion_meaning`)."""
    name = f"{meta.source}\x1f{meta.image_id or meta.key}"
    content = f"item\x1f{name}"
    if meta.kind == "animated" and meta.sha256:
        content = f"sha256\x1f{meta.sha256}"
    said = UNSAID
    if motion is not None:
        said = _hash(motion)
    return Identity(_hash(name), _hash(content), said)


def with_caption(identity: Identity, caption: str) -> Identity:
    """Return an identity that is equal to those of all clips with the same caption."""
    return identity._replace(content=_hash(f"caption\x1f{caption}"))


def same(ids_n: Tensor, others_N: Tensor) -> Tensor:
    """Return bool [n,N]: which items are equal. Ids are `Identity` rows [n,3], or plain numbers [n]."""
    if ids_n.ndim == 1:
        return ids_n[:, None] == others_N[None, :]
    item, content, motion = ids_n[:, None, :].unbind(-1)
    other_item, other_content, other_motion = others_N[None, :, :].unbind(-1)
    picture = (item == other_item) | (content == other_content)
    unsaid = (motion == UNSAID) | (other_motion == UNSAID)
    return picture & (unsaid | (motion == other_motion))


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
