"""The maker of a trial: references in, scores of all filters out. It reads and fetches as the job does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pipelines.curation.config import needs_pictures
from pipelines.curation.scored import Scored
from pipelines.making.clips import Animator
from pipelines.making.inputs import fetched
from pipelines.making.maker import StageTimes
from pipelines.making.messages import Checked, Given
from schemas.records import Failure, Task

if TYPE_CHECKING:
    from pipelines.fetching.fetcher import Fetcher


class Scorer(Animator):
    """Calls every filter on each input, whatever the others say, in the worker processes of the main job."""

    makes_clips: ClassVar[bool] = False

    def score(self, task: Task) -> Iterator[Scored | Failure]:
        """One item per input, in input order."""
        given = self._unjudged(task, self.filters)
        if self._fetcher is not None and needs_pictures(self.filters):
            given = self._fetched_or_not(task, self._fetcher)
        yield from self._through("score", given, StageTimes())

    def _fetched_or_not(self, task: Task, fetcher: Fetcher) -> Iterator[Given | Failure]:
        """The inputs of a task, fetched. One that cannot be fetched still has a caption to score."""
        sent: deque[Checked | Failure] = deque()

        def noted() -> Iterator[Checked | Failure]:
            for item in self._unchecked(task):
                sent.append(item)
                yield item

        for item in fetched(noted(), fetcher, StageTimes()):
            before = sent.popleft()
            if isinstance(item, Failure) and isinstance(before, Checked):
                yield Given(before.reference, None, failure=item)
            else:
                yield item
