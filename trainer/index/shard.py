"""One shard's clips, decoded by threads and embedded in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from schemas.text import one_line
from storage.ordered import in_order
from storage.shards.read import RawSample, ShardError, iter_shard
from trainer.data.animate import to_device
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.decode import Decoded, Decoder
from trainer.index.store import PartArrays
from trainer.retrieval.embed import Embedder, Items, join


def embed_shard(
    embedder: Embedder, uri: str, *, workers: int, batch_size: int
) -> tuple[PartArrays, list[str]]:
    """Return a shard's keys, captions and arrays, and the samples that could not be used.

    Arrays are in the shard's order; each unused sample has its reason.

    Raises ShardError or OSError if the shard cannot be read to its end, ValueError if features are not
    finite.
    """
    frames = embedder.model.config.max_frames
    decoder = Decoder(DataConfig(shards=uri), frames=frames, size=embedder.size, seed=0, training=False)
    dropped: list[str] = []
    keys: list[str] = []
    captions: list[tuple[str, ...]] = []
    items: list[Items] = []
    decoded = decode_ahead(iter_shard(uri), decoder, workers, dropped.append)
    while samples := list(itertools.islice(decoded, batch_size)):
        batch = collate(samples, tokenize=_no_tokens, frames=frames, size=embedder.size)
        inputs = to_device(batch, embedder.device, embedder.size)
        clips = (inputs.frames_BTHWC, inputs.frame_mask_BT, inputs.keys, inputs.packing)
        items.append(embedder.videos(*clips))
        keys += batch.keys
        captions += [sample.captions for sample in samples]
    if not keys and not dropped:
        raise ShardError(f"{uri}: no samples in it")
    return _arrays(keys, captions, items, embedder), dropped


def decode_ahead(
    samples: Iterator[RawSample], decoder: Decoder, workers: int, on_broken: Callable[[str], None]
) -> Iterator[Decoded]:
    """Yield decoded samples in order, while `workers` threads decode the next ones.

    The decoders release the interpreter's lock.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        calls = 4 * workers + 1
        for decoded in in_order(lambda sample: pool.submit(_decoded, decoder, sample), samples, calls=calls):
            if isinstance(decoded, str):
                on_broken(decoded)
            else:
                yield decoded


def _decoded(decoder: Decoder, sample: RawSample) -> Decoded | str:
    """A clip, or one line that says why there is none: decoders raise anything on hostile bytes."""
    try:
        return decoder(sample, 0)
    except Exception as error:
        return f"{sample.shard}: {sample.key}: {one_line(error)}"


def _no_tokens(captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Captions are shown, not embedded."""
    nothing = torch.zeros(len(captions), 0, dtype=torch.int64)
    return nothing, nothing


def _arrays(
    keys: list[str], captions: list[tuple[str, ...]], items: list[Items], embedder: Embedder
) -> PartArrays:
    if not items:
        return PartArrays(keys, captions, np.empty((0, 0), np.float32), None, None)
    all_items = join(items)
    tokens, mask = all_items.tokens_NLD, all_items.mask_NL
    vectors_NE = all_items.vectors_NE.numpy()
    return PartArrays(
        keys,
        captions,
        vectors_NE,
        None if tokens is None else tokens.numpy(),
        None if mask is None else mask.numpy(),
    )
