"""The failures of pictures."""

from schemas.records import Reason, Stage
from transforms.media.formats.errors import corrupt, too_many_pixels, truncated, unsupported


def test_each_failure_has_its_reason_and_the_stage_decode() -> None:
    made = [truncated("a"), corrupt("b"), unsupported("c"), too_many_pixels("d")]
    reasons = [Reason.TRUNCATED, Reason.CORRUPT, Reason.UNSUPPORTED_FORMAT, Reason.TOO_MANY_PIXELS]
    assert [error.reason for error in made] == reasons
    assert {error.stage for error in made} == {Stage.DECODE}
    assert [error.detail for error in made] == ["a", "b", "c", "d"]
