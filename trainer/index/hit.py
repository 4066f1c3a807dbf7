"""A search result."""

from __future__ import annotations

from dataclasses import dataclass


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
