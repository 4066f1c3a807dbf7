"""Embed a whole set of shards, on one rank or on many, into one list of videos with their captions.

The list is in the order of the shards, whatever the number of ranks and workers. That order also decides
which of several samples that show one video is the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from trainer.data.animate import Inputs, to_device
from trainer.data.batch import Batch
from trainer.data.identity import Identity
from trainer.device.errors import RunError
from trainer.device.ranks import Ranks, gather_objects, gather_rows, together
from trainer.retrieval.embed import Embedder, Items, backwards, join

Captions = Literal["all", "first"]


@dataclass(frozen=True, eq=False)
class Embedded:
    """A whole set of shards: M videos with their N captions."""

    videos: Items
    texts: Items
    keys: list[str]  # of the M videos
    captions: list[str]  # N
    owners: np.ndarray  # int64 [N], the video of each caption
    identities: tuple[Identity, ...]  # of the M videos
    repeated: int  # samples that show a video that came before; their new captions count as its own
    backwards: Items | None = None  # the M videos played backwards, where that was asked for
    symmetric_M: Tensor | None = None  # bool, with `backwards`: videos that look the same both ways


@dataclass
class _Samples:
    """The samples that a rank has read; the lists have one entry per sample."""

    keys: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    identities: list[Identity] = field(default_factory=list)
    captions: list[list[str]] = field(default_factory=list)
    symmetric: list[bool] = field(default_factory=list)

    def extend(self, other: _Samples) -> None:
        """Add the samples of another rank."""
        for name, values in vars(other).items():
            getattr(self, name).extend(values)


class _Collector:
    """The samples of a rank and what the model makes of them."""

    def __init__(self, embedder: Embedder, captions: Captions, *, both_ways: bool) -> None:
        self._embedder, self._first_only, self._both_ways = embedder, captions == "first", both_ways
        self.samples = _Samples()
        self.videos: list[Items] = []
        self.backwards: list[Items] = []
        self.texts: list[Items] = []

    def add(self, batch: Batch) -> None:
        """Embed a batch."""
        inputs = to_device(batch, self._embedder.device, self._embedder.size)
        self._add_videos(inputs)
        chosen = self._chosen(batch)
        names = [batch.keys[int(batch.caption_video[i])] for i in chosen]
        self.texts.append(
            self._embedder.texts(inputs.token_ids_CL[chosen], inputs.token_mask_CL[chosen], names)
        )
        captions: list[list[str]] = [[] for _ in batch.keys]
        for i in chosen:
            captions[int(batch.caption_video[i])].append(batch.captions[i])
        self.samples.captions += captions
        self.samples.keys += batch.keys
        self.samples.places += batch.places
        self.samples.identities += [Identity(*numbers) for numbers in batch.identities.tolist()]

    def _add_videos(self, inputs: Inputs) -> None:
        clips = (inputs.frames_BTHWC, inputs.frame_mask_BT, inputs.keys, inputs.packing)
        if not self._both_ways:
            self.videos.append(self._embedder.videos(*clips))
            return
        forwards, back = self._embedder.both_ways(*clips)
        self.videos.append(forwards)
        self.backwards.append(Items(back.vectors_NE))
        self.samples.symmetric += _symmetric(inputs.frames_BTHWC, inputs.frame_mask_BT)

    def _chosen(self, batch: Batch) -> list[int]:
        """Rows of the captions to embed, in the order of their samples."""
        chosen: list[int] = []
        last = -1
        for i, sample in enumerate(batch.caption_video.tolist()):
            if not (self._first_only and sample == last):
                chosen.append(i)
            last = sample
        return chosen


def _symmetric(frames_BTHWC: Tensor, frame_mask_BT: Tensor) -> list[bool]:
    """Which clips are the same backwards, to the last bit."""
    orders = backwards(frame_mask_BT)
    pairs = zip(frames_BTHWC, orders, strict=True)
    return [bool((clip == clip.index_select(0, order)).all()) for clip, order in pairs]


def embed_loader(
    embedder: Embedder,
    loader: Iterable[Batch],
    *,
    captions: Captions = "all",
    both_ways: bool = False,
    ranks: Ranks | None = None,
) -> Embedded:
    """Every video and caption of a loader, which reads this rank's share; all ranks get the whole.

    Samples with equal video ids are one video, the first of them; a later one adds the captions that it has
    beyond it. `captions`: all of a video's, or the first alone. `both_ways`: embed each video backwards too.
    Raises RunError if there are none, on all ranks if one of them fails.
    """
    ranks = ranks or Ranks(0, 1, embedder.device)
    seen = _Collector(embedder, captions, both_ways=both_ways)

    def read() -> None:
        for batch in loader:
            seen.add(batch)

    together(read, ranks)
    samples = _Samples()
    for of_rank in gather_objects(seen.samples, ranks):
        samples.extend(of_rank)
    if not any(samples.captions):
        raise RunError("nothing to evaluate on: the shards hold no usable sample")
    videos, texts = _gathered(seen.videos, ranks), _gathered(seen.texts, ranks)
    back = None
    if both_ways:
        back = _gathered(seen.backwards, ranks)
    return _merge(samples, videos, texts, back, first_only=captions == "first")


def _merge(
    samples: _Samples, videos: Items, texts: Items, back: Items | None, *, first_only: bool
) -> Embedded:
    """Put samples in the order of the shards, and those of one video together."""
    first_text = np.cumsum([0, *map(len, samples.captions)]).tolist()
    kept: list[int] = []  # samples that are the first of their video
    rows: list[int] = []  # of the captions that count
    owners: list[int] = []
    names: list[str] = []
    video_of: dict[tuple[str, int, int], int] = {}  # key of an identity -> video
    heard: set[tuple[int, str]] = set()
    for sample in sorted(range(len(samples.keys)), key=samples.places.__getitem__):
        keys = samples.identities[sample].keys
        known = [video_of[key] for key in keys if key in video_of]
        if known:
            video = known[0]
        else:
            video = len(kept)
            kept.append(sample)
        for key in keys:
            video_of.setdefault(key, video)
        for number, caption in enumerate(samples.captions[sample]):
            # A video's own repeated captions count each; a later sample's repetitions do not.
            if known and (first_only or (video, caption) in heard):
                continue
            heard.add((video, caption))
            rows.append(first_text[sample] + number)
            owners.append(video)
            names.append(caption)
    backwards = symmetric = None
    if back is not None:
        backwards = back.select(kept)
        symmetric = torch.tensor([samples.symmetric[sample] for sample in kept])
    return Embedded(
        videos=videos.select(kept),
        texts=texts.select(rows),
        keys=[samples.keys[sample] for sample in kept],
        captions=names,
        owners=np.asarray(owners, np.int64),
        identities=tuple(samples.identities[sample] for sample in kept),
        repeated=len(samples.keys) - len(kept),
        backwards=backwards,
        symmetric_M=symmetric,
    )


def _gathered(parts: Sequence[Items], ranks: Ranks) -> Items:
    """The items of all ranks, one after another."""
    empty = torch.empty(0, 0)
    own = Items(empty)
    if parts:
        own = join(parts)
    has_tokens = any(gather_objects(own.tokens_NLD is not None, ranks))
    vectors = gather_rows(own.vectors_NE, ranks)
    if not has_tokens:
        return Items(vectors)
    tokens = mask = empty
    if own.tokens_NLD is not None and own.mask_NL is not None:
        tokens, mask = own.tokens_NLD, own.mask_NL
    return Items(vectors, gather_rows(tokens, ranks), gather_rows(mask, ranks))
