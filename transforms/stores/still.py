"""The store `still`: the source picture, which readers animate along the path in KEY.json."""

from __future__ import annotations

from transforms.media.encode import encode_picture
from transforms.media.formats import jpeg
from transforms.rendering.render import reduce_for
from transforms.stores.base import Encoding, Members, PictureStore, Still

_EXTENSIONS = ("jpg", "jpeg", "png", "webp")


class StillStore(PictureStore):
    """KEY.jpg, reduced to the pixels that the tightest view needs."""

    name = "still"
    summary = "one picture, to be animated when read"

    def describe(self, frames: int, extension: str) -> str:
        """Name the picture."""
        return "`KEY.jpg`, the still, to be animated when read along the `quads` in KEY.json"

    def media(self, frames: int, extension: str) -> dict[str, str]:
        """One image."""
        return {"jpg": "image"}

    def keep(self, still: Still, encoding: Encoding) -> dict[str, bytes]:
        """Keep the bytes of the source JPEG where no pixel changes; encode a JPEG otherwise."""
        reduced_HWC = reduce_for(still.image_HWC, still.quads_T42, size=still.size)
        header = still.header
        upright_rgb = header.jpeg is not None and header.jpeg.components != 4 and header.orientation == 1
        if upright_rgb and reduced_HWC.shape[:2] == header.size:
            kept = jpeg.without_metadata(still.data)
            if kept:
                return {"jpg": kept}
        return {"jpg": encode_picture(reduced_HWC, "jpg", encoding.encode.still_quality)}

    def picture(self, members: Members) -> bytes:
        """The member that holds the picture."""
        for extension in _EXTENSIONS:
            if extension in members:
                return members[extension]
        raise ValueError(f"KEY.jpg is missing; the sample has {', '.join(members)}")
