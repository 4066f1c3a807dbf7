"""The failures of pictures, as `SampleError` of the stage decode."""

from __future__ import annotations

from schemas.records import Reason, SampleError, Stage


def truncated(detail: str) -> SampleError:
    """The file ends too early."""
    return SampleError(Stage.DECODE, Reason.TRUNCATED, detail)


def corrupt(detail: str) -> SampleError:
    """The file contradicts itself or its format."""
    return SampleError(Stage.DECODE, Reason.CORRUPT, detail)


def unsupported(detail: str) -> SampleError:
    """The format is known and not read."""
    return SampleError(Stage.DECODE, Reason.UNSUPPORTED_FORMAT, detail)


def too_many_pixels(detail: str) -> SampleError:
    """The picture is larger than the limits allow."""
    return SampleError(Stage.DECODE, Reason.TOO_MANY_PIXELS, detail)
