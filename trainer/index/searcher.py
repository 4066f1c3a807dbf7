"""Search in an open index: candidates from the dual encoder, their order from the interaction module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from schemas.errors import ConfigError
from storage.shards.read import ShardError
from storage.uris import join
from trainer.device.precision import memory_advice
from trainer.index.frames import read_frames
from trainer.index.store import VECTORS_FILE, IndexInfo, Part, unreadable
from trainer.retrieval.embed import Embedder, Items
from trainer.retrieval.reranking import match_scores
from transforms.media.fit import fit

MAX_TEXT = 10_000  # characters of a query; the model reads far fewer


@dataclass(frozen=True)
class Hit:
    """A clip that a search found."""

    rank: int  # from 1
    key: str
    shard: str  # absolute path or URI
    captions: tuple[str, ...]
    coarse: float  # cosine of the query's and the clip's vectors, -1 to 1
    coarse_rank: int  # from 1, before re-ranking
    match: float | None  # the interaction module's logit; None if the clip was not re-ranked

    @property
    def caption(self) -> str:
        """The first caption, or '' if there is none."""
        if self.captions:
            return self.captions[0]
        return ""


class SearchIndex:
    """An open index. Searches may run on several threads."""

    def __init__(self, info: IndexInfo, parts: Sequence[Part], embedder: Embedder) -> None:
        self.info, self.embedder = info, embedder
        self._parts = [part for part in parts if part.info.clips]
        self._starts = np.cumsum([0, *(part.info.clips for part in self._parts)])

    @property
    def clips(self) -> int:
        """Number of clips."""
        return int(self._starts[-1])

    @property
    def can_rerank(self) -> bool:
        """Does the model have an interaction module, and the index the frame tokens that it reads?"""
        return self.info.tokens is not None and self.embedder.model.interaction is not None

    def search(
        self,
        text: str | None = None,
        *,
        image: np.ndarray | None = None,
        video: np.ndarray | None = None,
        top: int = 10,
        rerank: bool = True,
        top_k: int | None = None,
        weight: float | None = None,
    ) -> list[Hit]:
        """Return the best `top` clips for a text, a picture (uint8 RGB [H,W,3]) or a video, best first.

        `video` holds 1 to `max_frames` frames as the model sees them, uint8 RGB [T,h,w,3] of the embedder's
        size, as `trainer.index.search.read_video` and `frames` return them.

        With `rerank`, and if the index `can_rerank`, the best `top_k` clips of a text are re-ranked. None
        takes the model's number, or `top` if that is larger. `weight` is the share of the match score, 0 to 1
        (None: the model's). A picture counts as a clip without motion. Pictures and videos are compared by
        the dual encoder alone, because the interaction module reads texts.

        Raises ConfigError unless exactly one query is given, for an empty or overlong text, and for a number
        out of range or without effect. Raises ValueError for features or matches that are not finite, and
        MemoryError with advice.
        """
        if sum(query is not None for query in (text, image, video)) != 1:
            raise ConfigError("give a text, a picture or a video to search by, and only one of them")
        if top < 1:
            raise ConfigError(f"top = {top} must be at least 1")
        self._check_reranking(text, rerank, top, top_k, weight)
        fine = rerank and self.can_rerank and text is not None
        count, less = top, ""
        if fine:
            count = top_k or max(top, self.embedder.model.config.interaction.top_k)
            less = f"lower --top-k (now {count}), "
        with memory_advice(f"is the GPU in use? Free it, {less}or give --device cpu"):
            if image is not None:
                query = self._embed_picture(image)
            elif video is not None:
                query = self._embed_video(video)
            else:
                query = self.embed_text(str(text))
            rows_1K, cosines_1K = self.coarse(query.vectors_NE.numpy(), count)
            rows_K, cosines_K = rows_1K[0], cosines_1K[0]
            if not fine or not len(rows_K):
                return self._hits(rows_K, cosines_K)
            match_K = self.match(query, rows_K)
        order = np.argsort(-self._fine_scores(cosines_K, match_K, weight), kind="stable")[:top]
        return self._hits(rows_K, cosines_K, match_K, order)

    def embed_text(self, text: str) -> Items:
        """Return a text as one item. Raises ConfigError if it is empty or longer than MAX_TEXT characters."""
        if not text.strip() or len(text) > MAX_TEXT:
            raise ConfigError(f"a text to search by has 1 to {MAX_TEXT} characters, not {len(text.strip())}")
        tokens = self.embedder.model.tokenize([text])
        return self.embedder.texts(tokens.ids_NL, tokens.mask_NL, [text])

    def coarse(self, vectors_QE: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
        """Compare float32 query vectors with all clips, exactly.

        Returns rows [Q,K] int64 of the best K = min(top, clips), and their cosines [Q,K], best first. Ties
        keep the order of the index.
        """
        rows = [np.empty((len(vectors_QE), 0), np.int64)]
        best = [np.empty((len(vectors_QE), 0), np.float32)]
        for start, part in zip(self._starts, self._parts, strict=False):
            scores_QI = vectors_QE @ part.vectors_NE.T
            if not np.isfinite(scores_QI).all():
                raise unreadable(join(part.path, VECTORS_FILE), ValueError("numbers in it are not finite"))
            kept_QK = _best(scores_QI, top)
            rows.append(kept_QK + start)
            best.append(np.take_along_axis(scores_QI, kept_QK, 1))
        # The best of the whole index are among the best of its parts.
        rows_QK, best_QK = np.concatenate(rows, 1), np.concatenate(best, 1)
        kept_QK = _best(best_QK, top)
        rows_QK, best_QK = np.take_along_axis(rows_QK, kept_QK, 1), np.take_along_axis(best_QK, kept_QK, 1)
        order = np.lexsort((rows_QK, -best_QK), axis=1)
        return np.take_along_axis(rows_QK, order, 1), np.take_along_axis(best_QK, order, 1)

    def match(self, query: Items, rows_K: np.ndarray) -> np.ndarray:
        """Return the interaction module's logits float32 [K] of one text and the clips in those rows.

        Raises ValueError naming a clip whose logit is not finite.
        """
        if not len(rows_K):
            return np.empty(0, np.float32)
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
        """Return a hit's frames as the model sees them, uint8 RGB [T,h,w,3]. Raises ShardError or OSError."""
        (frames_THWC,) = self.frames_or_none([hit])
        if frames_THWC is None:
            raise ShardError(f"{hit.shard}: {hit.key} is not there any more; index the shards again")
        return frames_THWC

    def frames_or_none(self, hits: Sequence[Hit]) -> list[np.ndarray | None]:
        """Return each hit's frames as the model sees them; None if shard or sample no longer exist."""
        places = [(hit.shard, hit.key) for hit in hits]
        return read_frames(places, frames=self.embedder.model.config.max_frames, size=self.embedder.size)

    def _check_reranking(
        self, text: str | None, rerank: bool, top: int, top_k: int | None, weight: float | None
    ) -> None:
        """Raise ConfigError for numbers that are out of range or have no effect."""
        why = ""
        if not self.can_rerank:
            why = "the index has no frame tokens or its model no interaction module"
        elif text is None:
            why = "a picture or a video is not re-ranked"
        elif not rerank:
            why = "re-ranking is off"
        for name, value in (("top_k", top_k), ("weight", weight)):
            if value is not None and why:
                raise ConfigError(f"{name} = {value} has no effect: {why}; leave it out")
        if top_k is not None and top_k < top:
            raise ConfigError(
                f"top_k = {top_k} must be at least top = {top}: all clips shown are re-ranked; raise it, or "
                "lower top"
            )
        if weight is not None and not 0 <= weight <= 1:
            raise ConfigError(f"weight = {weight} must be 0 to 1, the share of the match score")

    def _embed_picture(self, image_HWC: np.ndarray) -> Items:
        fitted = torch.from_numpy(np.array(fit(image_HWC, self.embedder.size)))
        return self.embedder.still(fitted, self.embedder.model.config.max_frames)

    def _embed_video(self, frames_THWC: np.ndarray) -> Items:
        """Pad frames to the length of a clip, as those of indexed clips are, and embed them."""
        most, (height, width) = self.embedder.model.config.max_frames, self.embedder.size
        count = len(frames_THWC)
        if frames_THWC.shape[1:] != (height, width, 3) or not 1 <= count <= most:
            raise ConfigError(
                f"a video to search by has 1 to {most} frames of {width}x{height}, uint8 RGB [T,h,w,3], not "
                f"{list(frames_THWC.shape)}"
            )
        frames_BTHWC = torch.zeros(1, most, height, width, 3, dtype=torch.uint8)
        frames_BTHWC[0, :count] = torch.from_numpy(np.ascontiguousarray(frames_THWC))
        mask_BT = (torch.arange(most) < count).long()[None]
        return self.embedder.videos(frames_BTHWC, mask_BT, ["the video"])

    def _fine_scores(
        self, cosines_K: np.ndarray, match_K: np.ndarray, weight: float | None = None
    ) -> np.ndarray:
        model = self.embedder.model
        # The match is added to logits, not to cosines (`CLIP2Video.rerank_score`).
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
        """Return hits for candidates, in `order` if it is given."""
        if order is None:
            places = range(len(rows_K))
        else:
            places = order.tolist()
        hits = []
        for rank, place in enumerate(places, start=1):
            part, row = self._at(int(rows_K[place]))
            clip = part.clips.slice(row, 1).to_pylist()[0]
            match = None
            if match_K is not None:
                match = float(match_K[place])
            captions = tuple(clip["captions"])
            cosine = float(cosines_K[place])
            hits.append(
                Hit(
                    rank=rank,
                    key=clip["key"],
                    shard=part.info.shard,
                    captions=captions,
                    coarse=cosine,
                    coarse_rank=place + 1,
                    match=match,
                )
            )
        return hits

    def _at(self, row: int) -> tuple[Part, int]:
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[part], row - int(self._starts[part])


def _best(scores_QI: np.ndarray, top: int) -> np.ndarray:
    """Return the columns [Q,K] of each row's best K = min(top, I) scores, in no order.

    Of ties the first are taken.
    """
    if scores_QI.shape[1] <= top:
        return np.broadcast_to(np.arange(scores_QI.shape[1]), scores_QI.shape)
    kept_QK = np.empty((len(scores_QI), top), np.int64)
    last_Q1 = -np.partition(-scores_QI, top - 1, axis=1)[:, top - 1 : top]
    for kept_K, scores_I, last in zip(kept_QK, scores_QI, last_Q1, strict=True):
        better = np.flatnonzero(scores_I > last)
        kept_K[: len(better)] = better
        kept_K[len(better) :] = np.flatnonzero(scores_I == last)[: top - len(better)]
    return kept_QK
