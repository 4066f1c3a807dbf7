"""Does the model see motion? Clips of equal content, and clips played backwards, as candidates."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from trainer.data.identity import UNSAID, Identity
from trainer.retrieval.collect import Embedded
from trainer.retrieval.embed import Embedder, Items
from trainer.retrieval.metrics import BlockwiseRetrieval, Metrics, as_array


class RightMotion:
    """The share of captions with a motion phrase that find their clip among the clips of equal content.

    Candidates show the same picture, and their captions name different motions. Where k of them share the
    best score, the right one counts 1/k. So a model that is blind to motion has the share of chance.
    """

    def __init__(self, data: Embedded) -> None:
        self._owners = data.owners
        members = _equal_content(data.identities)
        self._rivals = [members.get(video, []) for video in range(len(data.videos))]
        self._right = np.full(len(data.owners), np.nan)
        sizes = np.asarray([len(rivals) for rivals in self._rivals])[data.owners]
        self._asked = sizes > 1
        self._chance = 0.0
        if self._asked.any():
            self._chance = 100.0 * float(np.mean(1.0 / sizes[self._asked]))

    @property
    def queries(self) -> int:
        """Captions that have a choice of motions."""
        return int(self._asked.sum())

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Ask the texts from `start` on."""
        scores = as_array(scores_nM)
        for row, query in enumerate(range(start, start + len(scores))):
            if self._asked[query]:
                video = self._owners[query]
                of_rivals = scores[row, self._rivals[video]]
                best = of_rivals.max()
                self._right[query] = float(scores[row, video] == best) / np.count_nonzero(of_rivals == best)

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Nothing: the question is asked by captions."""

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """By text: the share that it is right, NaN for texts that are not asked."""
        return (self._right,)

    def metrics(self) -> Metrics:
        """Percent right, percent by chance, and how many captions were asked."""
        right = 100.0 * float(np.nanmean(self._right))
        return {"motion": {"accuracy": right, "chance": self._chance, "queries": float(self.queries)}}


def _equal_content(identities: tuple[Identity, ...]) -> dict[int, list[int]]:
    """Of every video whose motion is said: the videos of equal content whose motions are said, itself too."""
    group_of: dict[tuple[str, int], int] = {}  # of a picture, by its name or its bytes
    groups: dict[int, list[int]] = defaultdict(list)
    for video, identity in enumerate(identities):
        keys = [("item", identity.item), ("content", identity.content)]
        known = sorted({group_of[key] for key in keys if key in group_of})
        group = known[0] if known else video
        for other in known[1:]:  # this video shows that two groups are one
            groups[group] += groups.pop(other)
            group_of.update({key: group for key, value in group_of.items() if value == other})
        group_of.update(dict.fromkeys(keys, group))
        if identity.motion != UNSAID:
            groups[group].append(video)
    return {video: members for members in groups.values() for video in members}


class Backwards:
    """Text to video with every clip played backwards among the candidates, as a clip of its own.

    A model that does not see the order of frames prefers the reversed clip half of the time. Clips that look
    the same both ways are not added.
    """

    def __init__(self, data: Embedded, back: Items, embedder: Embedder) -> None:
        assert data.symmetric_M is not None  # noqa: S101 - narrows the type
        self._owners, self._device = data.owners, embedder.device
        self._scale = embedder.model.clip.logit_scale.detach().float().exp()
        self._texts_NE = data.texts.vectors_NE
        self._moving = (~data.symmetric_M).nonzero().flatten()  # videos that are added, R
        self._back_RE = back.vectors_NE[self._moving].to(self._device)
        self._place_M = torch.full((len(data.videos),), -1)
        self._place_M[self._moving] = torch.arange(len(self._moving))
        self._ranks = BlockwiseRetrieval(data.owners, len(data.videos) + len(self._moving))
        self._beaten = np.full(len(data.owners), np.nan)

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Rank the videos and the reversed videos of the texts from `start` on."""
        text_nE = self._texts_NE[start : start + len(scores_nM)].to(self._device)
        reversed_nR = (self._scale * text_nE) @ self._back_RE.T
        self._ranks.add_texts(start, torch.cat((scores_nM, reversed_nR), dim=1))
        forwards, back = as_array(scores_nM), as_array(reversed_nR)
        owners = self._owners[start : start + len(forwards)]
        places = self._place_M[torch.from_numpy(owners)].numpy()
        rows = np.flatnonzero(places >= 0)
        right, wrong = forwards[rows, owners[rows]], back[rows, places[rows]]
        self._beaten[start + rows] = (wrong > right) + (wrong == right) / 2

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Nothing: a reversed clip has no captions."""

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Ranks by text; and whether the reversed clip beats the right one, NaN where it is not added."""
        return self._ranks.t2v_ranks, self._beaten

    def metrics(self) -> Metrics:
        """The ranks, the percent of captions whose clip is better backwards, and how many were asked."""
        asked = int(np.count_nonzero(~np.isnan(self._beaten)))
        beaten = 0.0
        if asked:
            beaten = 100.0 * float(np.nanmean(self._beaten))
        return {
            "backwards.t2v": self._ranks.of_texts(),
            "backwards": {"preferred": beaten, "queries": float(asked)},
        }
