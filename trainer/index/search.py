"""An open index: the clips that fit a text or a picture, coarse by the dual encoder, fine by the interaction module."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import ConfigError
from storage.read import local_copy
from storage.shards.read import ShardError
from trainer.index.frames import read_frames

if TYPE_CHECKING:
    from trainer.index.store import IndexInfo, Part
    from trainer.retrieval.embed import Embedder, Items

MAX_TEXT = 10_000  # characters of a query; the model reads far fewer


@dataclass(frozen=True)
class Hit:
    """A clip that was found."""

    rank: int  # from 1
    key: str
    shard: str  # where the clip lies: an absolute path or a URI
    captions: tuple[str, ...]
    coarse: float  # cosine of the query's and the clip's vectors, -1 to 1
    coarse_rank: int  # from 1, before re-ranking
    match: float | None  # the interaction module's logit; None where the clip was not re-ranked

    @property
    def caption(self) -> str:
        """The first of them."""
        return self.captions[0] if self.captions else ""


class SearchIndex:
    """An open index. Searches may run on several threads."""

    def __init__(self, info: IndexInfo, parts: Sequence[Part], embedder: Embedder) -> None:
        self.info, self.embedder = info, embedder
        self._parts = [part for part in parts if part.info.clips]
        self._starts = np.cumsum([0, *(part.info.clips for part in self._parts)])

    @property
    def clips(self) -> int:
        """How many there are."""
        return int(self._starts[-1])

    @property
    def can_rerank(self) -> bool:
        """Whether the model has an interaction module and the index the frame tokens that it reads."""
        return self.info.tokens is not None and self.embedder.model.interaction is not None

    def search(
        self,
        text: str | None = None,
        *,
        image: np.ndarray | None = None,
        top: int = 10,
        rerank: bool = True,
        top_k: int | None = None,
        weight: float | None = None,
    ) -> list[Hit]:
        """The best `top` clips for a text, or for a picture (uint8 RGB [H,W,3]), best first.

        A text's candidates are re-ranked where `can_rerank` and `rerank` hold: the best `top_k` (None: the model's, or `top`
        if that is more), the match having this `weight`, 0 to 1 (None: the model's). A picture stands for a clip in which
        nothing moves, and is compared by the dual encoder alone, since the interaction module reads texts. Raises ConfigError
        for an empty or overlong text, unless exactly one query is given, and for a number out of range or without effect;
        ValueError for features or matches that are not finite, MemoryError with what to lower.
        """
        if (text is None) == (image is None):
            raise ConfigError("give a text or a picture to search by, and not both")
        if top < 1:
            raise ConfigError(f"top = {top} must be at least 1")
        self._check(text, rerank, top, top_k, weight)
        from trainer.device.precision import memory_advice

        fine = rerank and self.can_rerank and image is None
        count = (top_k or max(top, self.embedder.model.config.interaction.top_k)) if fine else top
        less = f"lower --top-k (now {count}), " if fine else ""
        with memory_advice(f"is the GPU in use? Free it, {less}or give --device cpu"):
            query = self._picture(image) if image is not None else self.embed_text(str(text))
            rows_K, cosines_K = self._first(query.vectors_NE.numpy(), count)
            if not fine:
                return self._hits(rows_K, cosines_K)
            match_K = self.match(query, rows_K)
        order = np.argsort(-self._fine_scores(cosines_K, match_K, weight), kind="stable")[:top]
        return self._hits(rows_K, cosines_K, match_K, order)

    def embed_text(self, text: str) -> Items:
        """A text as one item. Raises ConfigError if it is empty or longer than MAX_TEXT characters."""
        from trainer.model.towers import tokenize

        if not text.strip() or len(text) > MAX_TEXT:
            raise ConfigError(f"a text to search by has 1 to {MAX_TEXT} characters, not {len(text.strip())}")
        tokens = tokenize([text], self.embedder.model.config.max_words)
        return self.embedder.texts(tokens.ids_NL, tokens.mask_NL, [text])

    def coarse(self, vectors_QE: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
        """float32 query vectors -> rows [Q,K] int64 of the best K = min(top, clips) and their cosines, best first. Exact."""
        rows, best = [np.empty((len(vectors_QE), 0), np.int64)], [np.empty((len(vectors_QE), 0), np.float32)]
        for start, part in zip(self._starts, self._parts, strict=False):
            scores_QI = vectors_QE @ part.vectors_NE.T
            kept_QK = _best(scores_QI, top)
            rows.append(kept_QK + start)
            best.append(np.take_along_axis(scores_QI, kept_QK, 1))
        rows_QK, best_QK = np.concatenate(rows, 1), np.concatenate(best, 1)
        kept_QK = _best(best_QK, top)
        rows_QK, best_QK = np.take_along_axis(rows_QK, kept_QK, 1), np.take_along_axis(best_QK, kept_QK, 1)
        order = np.lexsort((rows_QK, -best_QK), axis=1)  # ties in the index's order
        return np.take_along_axis(rows_QK, order, 1), np.take_along_axis(best_QK, order, 1)

    def match(self, query: Items, rows_K: np.ndarray) -> np.ndarray:
        """The interaction module's logits float32 [K] of one text and the clips in those rows.

        Raises ValueError naming a clip whose logit is not finite.
        """
        import torch

        from trainer.retrieval.embed import Items
        from trainer.retrieval.ranking import match_scores

        found = [self._at(int(row)) for row in rows_K]
        tokens = torch.from_numpy(np.stack([part.tokens_NTD[row] for part, row in found]))
        mask = torch.from_numpy(np.stack([part.mask_NT[row] for part, row in found]))
        clips = Items(torch.empty(len(found), 0), tokens, mask)
        text = torch.zeros(len(found), dtype=torch.int64)

        def name(pair: int) -> str:
            part, row = found[pair]
            return f"{part.clips['key'][row]} and the text"

        return match_scores(self.embedder, query, text, clips, torch.arange(len(found)), name).numpy()

    def frames(self, hit: Hit) -> np.ndarray:
        """Read the frames of a hit as the model sees them, uint8 RGB [T,h,w,3].

        Raises ShardError or OSError if the clip cannot be read.
        """
        (frames_THWC,) = self.frames_or_none([hit])
        if frames_THWC is None:
            raise ShardError(f"{hit.shard}: {hit.key} is not there any more; index the shards again")
        return frames_THWC

    def frames_or_none(self, hits: Sequence[Hit]) -> list[np.ndarray | None]:
        """Read the frames of hits, as `frames`; None where a clip no longer exists."""
        limit, size = self.embedder.model.config.max_frames, self.embedder.size
        return read_frames([(hit.shard, hit.key) for hit in hits], frames=limit, size=size)

    def _check(
        self, text: str | None, rerank: bool, top: int, top_k: int | None, weight: float | None
    ) -> None:
        why = "" if rerank else "re-ranking is off"
        why = why if text is not None else "a picture is not re-ranked"
        why = why if self.can_rerank else "the index has no frame tokens or its model no interaction module"
        for name, value in (("top_k", top_k), ("weight", weight)):
            if value is not None and why:
                raise ConfigError(f"{name} = {value} has no effect: {why}; leave it out")
        if top_k is not None and top_k < top:
            raise ConfigError(
                f"top_k = {top_k} must be at least top = {top}: what is shown is re-ranked; raise it, or lower top"
            )
        if weight is not None and not 0 <= weight <= 1:
            raise ConfigError(f"weight = {weight} must be 0 to 1, the share of the match score")

    def _picture(self, image_HWC: np.ndarray) -> Items:
        import torch

        from transforms.media.fit import fit

        fitted = torch.from_numpy(np.array(fit(image_HWC, self.embedder.size)))
        return self.embedder.still(fitted, self.embedder.model.config.max_frames)

    def _first(self, vector_1E: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
        rows, cosines = self.coarse(vector_1E, top)
        return rows[0], cosines[0]

    def _fine_scores(
        self, cosines_K: np.ndarray, match_K: np.ndarray, weight: float | None = None
    ) -> np.ndarray:
        import torch

        model = self.embedder.model
        dual = torch.from_numpy(cosines_K) * model.clip.logit_scale.detach().float().exp().cpu()
        scores: np.ndarray = model.rerank_score(dual, torch.from_numpy(match_K), weight).numpy()
        return scores

    def _hits(
        self,
        rows_K: np.ndarray,
        cosines_K: np.ndarray,
        match_K: np.ndarray | None = None,
        order: np.ndarray | None = None,
    ) -> list[Hit]:
        hits = []
        for rank, place in enumerate(range(len(rows_K)) if order is None else order.tolist(), start=1):
            part, row = self._at(int(rows_K[place]))
            clip = part.clips.slice(row, 1).to_pylist()[0]
            match = None if match_K is None else float(match_K[place])
            captions = tuple(clip["captions"])
            hits.append(
                Hit(rank, clip["key"], part.info.shard, captions, float(cosines_K[place]), place + 1, match)
            )
        return hits

    def _at(self, row: int) -> tuple[Part, int]:
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[part], row - int(self._starts[part])


def _best(scores_QI: np.ndarray, top: int) -> np.ndarray:
    """Columns [Q,K] of each row's best K = min(top, I) scores, in no order."""
    if scores_QI.shape[1] <= top:
        return np.broadcast_to(np.arange(scores_QI.shape[1]), scores_QI.shape)
    kept_QK: np.ndarray = np.argpartition(-scores_QI, top - 1, axis=1)[:, :top]
    return kept_QK


def open_index(index: str | Path, *, device: str = "auto") -> SearchIndex:
    """Open an index for searching. Raises ConfigError if it is none or a part of it does not fit, MemoryError for the model."""
    from trainer.device.precision import choose_device, memory_advice
    from trainer.index.store import MODEL_FOLDER, read_info, read_parts
    from trainer.model.io import load_model
    from trainer.retrieval.embed import Embedder

    info = read_info(index)
    if info is None:
        raise ConfigError(f"{index} is no index: make one with `zoetrope index CHECKPOINT SHARDS -o {index}`")
    copy = ExitStack()  # arrays are mapped: a remote index is copied, for as long as this process lives
    try:
        folder = copy.enter_context(local_copy(str(index)))
    except OSError as error:
        raise ConfigError(f"index {index} cannot be read: {error}") from None
    atexit.register(copy.close)
    model = load_model(folder / MODEL_FOLDER)
    with memory_advice("the GPU has no room for the model; is it in use? Free it, or give --device cpu"):
        embedder = Embedder(model, choose_device(device), tokens=info.tokens is not None)
    return SearchIndex(info, read_parts(folder, info), embedder)
