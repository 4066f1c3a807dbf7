"""Embed clips and captions: one vector each, and the interaction module's tokens on request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from trainer.data.animate import normalise, to_device
from trainer.data.batch import Batch
from trainer.data.identity import Identity
from trainer.data.packing import embed_packed, pack
from trainer.device.errors import NotFiniteError, RunError
from trainer.device.precision import autocast
from trainer.model.clip2video import CLIP2Video, Features

Captions = Literal["all", "first"]


@dataclass(frozen=True, eq=False)  # tensors have no single ==
class Items:
    """N texts or videos on the CPU."""

    vectors_NE: Tensor  # float32; inner products are the model's combined cosines (`CLIP2Video.joint`)
    tokens_NLD: Tensor | None = (
        None  # float16, what the interaction module reads; None where it is not wanted
    )
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
        rows = rows.cpu()
        return self.tokens_NLD[rows].to(device).float(), self.mask_NL[rows].to(device).long()


@dataclass(frozen=True, eq=False)
class Embedded:
    """A whole set of shards: M videos with their N captions."""

    videos: Items
    texts: Items
    keys: list[str]  # of the M videos
    captions: list[str]  # N
    owners: np.ndarray  # int64 [N], the video of each caption
    repeated: int  # samples that show a video that came before; their new captions count as its own


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
    def videos(self, frames_BTHWC: Tensor, frame_mask_BT: Tensor, names: Sequence[str]) -> Items:
        """uint8 frames [B,T,h,w,3] of `size` and mask [B,T], 1 = a frame.

        Raises ValueError as `texts` does.
        """
        packing = pack(frame_mask_BT.cpu())
        packing = None if packing is None else packing.to(self.device)
        mask = frame_mask_BT.to(self.device)
        with autocast(self.device, self.precision):
            embedded = embed_packed(frames_BTHWC.to(self.device), mask, packing, self._embed)
            features = self.model.encode_embeddings(embedded, mask)
        return self._items(features, names)

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


class _Collector:
    """The samples that `embed_loader` has seen so far."""

    def __init__(self, embedder: Embedder, captions: Captions) -> None:
        self.embedder, self.first_only = embedder, captions == "first"
        self.videos: list[Items] = []
        self.texts: list[Items] = []
        self.keys: list[str] = []
        self.captions: list[str] = []
        self.owners: list[int] = []
        self.repeated = 0
        self._place: dict[tuple[str, int, int], int] = {}  # key of an identity -> row
        self._heard: set[tuple[int, str]] = set()

    def add(self, batch: Batch) -> None:
        """Embed what is new in a batch."""
        new: list[int] = []
        places: list[int] = []  # of the batch's samples among the videos
        for row, numbers in enumerate(batch.identities.tolist()):
            keys = Identity(*numbers).keys
            known = [self._place[key] for key in keys if key in self._place]
            place = known[0] if known else len(self.keys) + len(new)
            if not known:
                new.append(row)
            for key in keys:
                self._place.setdefault(key, place)
            places.append(place)
        self.repeated += len(places) - len(new)
        inputs = to_device(batch, self.embedder.device, self.embedder.size)
        if new:
            names = [batch.keys[row] for row in new]
            self.keys += names
            self.videos.append(
                self.embedder.videos(inputs.frames_BTHWC[new], inputs.frame_mask_BT[new], names)
            )
        chosen = self._new_captions(batch, places, set(new))
        if chosen:
            names = [batch.keys[int(batch.caption_video[i])] for i in chosen]
            self.texts.append(
                self.embedder.texts(inputs.token_ids_CL[chosen], inputs.token_mask_CL[chosen], names)
            )

    def _new_captions(self, batch: Batch, places: list[int], first_samples: set[int]) -> list[int]:
        """Rows of the captions to embed.

        A video's own repeated captions count each; a later sample's repetitions do not.
        """
        chosen: list[int] = []
        last = -1
        for i, sample in enumerate(batch.caption_video.tolist()):
            skipped = self.first_only and sample == last
            last = sample
            said = places[sample], batch.captions[i]
            if skipped or (sample not in first_samples and (said in self._heard or self.first_only)):
                continue
            self._heard.add(said)
            self.owners.append(said[0])
            self.captions.append(said[1])
            chosen.append(i)
        return chosen


def embed_loader(embedder: Embedder, loader: Iterable[Batch], *, captions: Captions = "all") -> Embedded:
    """Every video and caption of a loader, each embedded once. Raises ValueError if it has none.

    Samples with equal video ids are one video, the first of them; a later one adds the captions that it has
    beyond it. `captions`: all of a video's, or the first alone.
    """
    seen = _Collector(embedder, captions)
    for batch in loader:
        seen.add(batch)
    if not seen.owners:
        raise RunError("nothing to evaluate on: the shards hold no usable sample")
    owners = np.asarray(seen.owners, np.int64)
    return Embedded(join(seen.videos), join(seen.texts), seen.keys, seen.captions, owners, seen.repeated)


def join(parts: Sequence[Items]) -> Items:
    """One after another."""
    tokens = [part.tokens_NLD for part in parts if part.tokens_NLD is not None]
    masks = [part.mask_NL for part in parts if part.mask_NL is not None]
    vectors = torch.cat([part.vectors_NE for part in parts])
    return Items(vectors, torch.cat(tokens), torch.cat(masks)) if tokens else Items(vectors)
