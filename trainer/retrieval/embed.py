"""Embed clips and captions: one vector each, and the interaction module's tokens on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.data.animate import normalise
from trainer.data.packing import Packing, embed_packed
from trainer.device.errors import NotFiniteError
from trainer.device.precision import autocast
from trainer.model.clip2video import CLIP2Video
from trainer.model.features import Features


@dataclass(frozen=True, eq=False)  # tensors have no single ==
class Items:
    """N texts or videos, on the CPU unless something has moved them."""

    vectors_NE: Tensor  # float32; inner products are the model's combined cosines (`CLIP2Video.joint`)
    # Float16, what the interaction module reads; None where it is not wanted.
    tokens_NLD: Tensor | None = None
    mask_NL: Tensor | None = None  # uint8, 1 = a token

    def __len__(self) -> int:
        return len(self.vectors_NE)

    def pick_rows(self, rows: np.ndarray) -> Items:
        """The vectors of those rows, int64 [n], without tokens."""
        return Items(self.vectors_NE[torch.from_numpy(rows)])

    def pick(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tokens [n,L,D] float32 and mask [n,L] int64 of those rows, on the device.

        Raises ValueError if there are none.
        """
        if self.tokens_NLD is None or self.mask_NL is None:
            raise ValueError("no tokens were kept to re-rank by; embed with tokens=True")
        rows = rows.to(self.tokens_NLD.device)
        return self.tokens_NLD[rows].to(device).float(), self.mask_NL[rows].to(device).long()

    def select(self, rows: Sequence[int]) -> Items:
        """Those rows, in that order. Without a copy if they are all rows in order."""
        if list(rows) == list(range(len(self))):
            return self
        index = torch.tensor(rows, dtype=torch.int64)
        tokens = None
        if self.tokens_NLD is not None:
            tokens = self.tokens_NLD[index]
        mask = None
        if self.mask_NL is not None:
            mask = self.mask_NL[index]
        return Items(self.vectors_NE[index], tokens, mask)

    @property
    def parts(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Vectors, tokens, mask."""
        return self.vectors_NE, self.tokens_NLD, self.mask_NL


class Embedder:
    """The model on a device, in inference mode."""

    def __init__(
        self, model: CLIP2Video, device: torch.device, precision: str = "fp32", *, tokens: bool = False
    ) -> None:
        """`precision`: bf16 or fp32; `tokens`: keep them, for re-ranking."""
        self.model, self.device, self.precision, self.tokens = (
            model.to(device).eval(),
            device,
            precision,
            tokens,
        )
        mean, std = model.normalisation
        self._mean, self._std = torch.tensor(mean, device=device), torch.tensor(std, device=device)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that frames must have, pixels."""
        return self.model.image_size, self.model.image_size

    @torch.inference_mode()
    def texts(self, token_ids_NL: Tensor, token_mask_NL: Tensor, names: Sequence[str]) -> Items:
        """Captions as tokens [N,L]. Raises ValueError naming the one whose features are not finite."""
        with autocast(self.device, self.precision):
            features = self.model.encode_text(token_ids_NL.to(self.device), token_mask_NL.to(self.device))
        return self._items(features, names)

    @torch.inference_mode()
    def videos(
        self,
        frames_BTHWC: Tensor,
        frame_mask_BT: Tensor,
        names: Sequence[str],
        packing: Packing | None = None,
    ) -> Items:
        """uint8 frames [B,T,h,w,3] of `size` and mask [B,T], 1 = a frame.

        With a `packing` of that mask, on the device, padding is encoded once. Raises ValueError as `texts`
        does.
        """
        mask = frame_mask_BT.to(self.device)
        with autocast(self.device, self.precision):
            features = self.model.encode_embeddings(self._frames(frames_BTHWC, mask, packing), mask)
        return self._items(features, names)

    @torch.inference_mode()
    def both_ways(
        self,
        frames_BTHWC: Tensor,
        frame_mask_BT: Tensor,
        names: Sequence[str],
        packing: Packing | None = None,
    ) -> tuple[Items, Items]:
        """`videos`, and the same videos played backwards.

        A frame is embedded once: its embedding does not depend on its place.
        """
        mask = frame_mask_BT.to(self.device)
        with autocast(self.device, self.precision):
            embedded_BTD = self._frames(frames_BTHWC, mask, packing)
            order_BT = backwards(mask)
            reversed_BTD = embedded_BTD.gather(1, order_BT[..., None].expand_as(embedded_BTD))
            features = [self.model.encode_embeddings(e, mask) for e in (embedded_BTD, reversed_BTD)]
        forwards, back = (self._items(each, names) for each in features)
        return forwards, back

    def _frames(self, frames_BTHWC: Tensor, mask_BT: Tensor, packing: Packing | None) -> Tensor:
        return embed_packed(frames_BTHWC.to(self.device), mask_BT, packing, self._embed)

    def _embed(self, frames_NTHWC: Tensor, mask_NT: Tensor) -> Tensor:
        return self.model.embed_frames(normalise(frames_NTHWC, mask_NT, self._mean, self._std))

    @torch.inference_mode()
    def still(self, image_HWC: Tensor, frames: int) -> Items:
        """A picture [h,w,3] uint8 of `size` as one video in which nothing moves for `frames` frames."""
        mask = torch.ones(1, 1, dtype=torch.int64, device=self.device)
        with autocast(self.device, self.precision):
            one = normalise(image_HWC[None, None].to(self.device), mask, self._mean, self._std)
            features = self.model.encode_embeddings(
                self.model.embed_frames(one).expand(1, frames, -1), mask.expand(1, frames)
            )
        return self._items(features, ["the picture"])

    def _items(self, features: Features, names: Sequence[str]) -> Items:
        vectors = self.model.joint(features).float()
        good = vectors.isfinite().all(1)
        if self.tokens:
            good &= features.tokens.flatten(1).isfinite().all(1)
        if not good.all():
            bad = [name for name, fine in zip(names, good.tolist(), strict=True) if not fine]
            raise NotFiniteError(
                f"{bad[0]}: the model's features are not finite (so for {len(bad)} of {len(names)} at once): "
                "has it diverged?"
            )
        if not self.tokens:
            return Items(vectors.cpu())
        return Items(vectors.cpu(), features.tokens.half().cpu(), features.mask.to("cpu", torch.uint8))


def backwards(frame_mask_BT: Tensor) -> Tensor:
    """Return int64 [B,T]: for each place the frame that is there when the clip plays backwards.

    Padding, which is last, stays.
    """
    places_T = torch.arange(frame_mask_BT.shape[1], device=frame_mask_BT.device)
    last_B1 = frame_mask_BT.sum(1, keepdim=True) - 1
    return torch.where(places_T <= last_B1, last_B1 - places_T, places_T)


def join(parts: Sequence[Items]) -> Items:
    """One after another."""
    tokens = [part.tokens_NLD for part in parts if part.tokens_NLD is not None]
    masks = [part.mask_NL for part in parts if part.mask_NL is not None]
    vectors = torch.cat([part.vectors_NE for part in parts])
    if tokens:
        return Items(vectors, torch.cat(tokens), torch.cat(masks))
    return Items(vectors)
