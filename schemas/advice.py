"""The meaning of each reason of a failure, and a remedy: for `zoetrope failures`, the report, the docs.

docs/failures.md has the same table; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.records import Reason

FIX_AND_RETRY = "repair or replace the file, then `zoetrope retry`"
RETRY = "`zoetrope retry` on another day"
GONE = "nothing (the picture is gone)"


@dataclass(frozen=True)
class Advice:
    """The meaning of a reason, and a remedy."""

    meaning: str
    remedy: str
    passing: bool = False  # the same input may become a clip later, with the same settings

    def __str__(self) -> str:
        return f"{self.meaning}; what to do: {self.remedy}"


ADVICE: dict[Reason, Advice] = {
    Reason.MALFORMED_ROW: Advice(
        "a row of the table lacks a field or has too many", "check the table, and source.kind"
    ),
    Reason.NOT_UTF8: Advice("text is not UTF-8", "convert the file to UTF-8"),
    Reason.ROW_TOO_LONG: Advice("a line of the table is too long to be a row", "check the file's line ends"),
    Reason.EMPTY_CAPTION: Advice("the caption is empty", "nothing, or give it a caption"),
    Reason.MISSING_CAPTION: Advice("no caption belongs to it", "check the annotations or NAME.txt"),
    Reason.MISSING_IMAGE: Advice(
        "the table names a picture that is not there", "check source.images or source.uri"
    ),
    Reason.DUPLICATE_KEY: Advice("its key came before", "remove the repeated row"),
    Reason.UNREADABLE: Advice(
        "the file, archive or table around it cannot be read", "repair or download it again"
    ),
    Reason.BAD_URL: Advice("no URL, or one that cannot be parsed", "check the table, and source.url_column"),
    Reason.UNSUPPORTED_SCHEME: Advice("the URL is not http or https", "download the picture yourself"),
    Reason.REFUSED_ADDRESS: Advice(
        "the address is not public", "for a mirror of your own, `zoetrope retry` with fetch.allowed_networks"
    ),
    Reason.DNS_ERROR: Advice("the host's name is not known", RETRY, passing=True),
    Reason.CONNECTION_ERROR: Advice("the connection was refused or broke", RETRY, passing=True),
    Reason.TLS_ERROR: Advice("the server's certificate is not valid", "nothing (it is not trusted)"),
    Reason.TIMEOUT: Advice(
        "the picture took longer than fetch.deadline",
        "`zoetrope retry` with a larger fetch.deadline or a smaller fetch.concurrency",
        passing=True,
    ),
    Reason.TOO_MANY_REDIRECTS: Advice("more redirects than fetch.max_redirects", GONE),
    Reason.TOO_LARGE: Advice(
        "more bytes than fetch.max_bytes (in a file: limits.picture_bytes; a video: limits.max_bytes)",
        "`zoetrope retry` with a larger limit",
    ),
    Reason.OPTED_OUT: Advice("the site opts out of training (X-Robots-Tag)", "nothing (respect it)"),
    Reason.HTTP_ERROR: Advice("an HTTP status without a reason of its own", "see the detail"),
    Reason.HTTP_400: Advice("the server did not understand the URL", GONE),
    Reason.HTTP_401: Advice("the picture needs a login", GONE),
    Reason.HTTP_403: Advice(
        "the server refuses", "set fetch.user_agent to say who you are; often it is gone"
    ),
    Reason.HTTP_404: Advice("the picture was removed", GONE),
    Reason.HTTP_410: Advice("the picture was removed for good", GONE),
    Reason.HTTP_429: Advice(
        "too many requests for one host", "a smaller fetch.per_host, then `zoetrope retry`", passing=True
    ),
    Reason.HTTP_500: Advice("the server failed", RETRY, passing=True),
    Reason.HTTP_502: Advice("the server behind a gateway failed", RETRY, passing=True),
    Reason.HTTP_503: Advice(
        "the server is overloaded", "a smaller fetch.per_host, then `zoetrope retry`", passing=True
    ),
    Reason.HTTP_504: Advice("a gateway waited in vain", RETRY, passing=True),
    Reason.EMPTY_BODY: Advice("no bytes, in an answer or a file", FIX_AND_RETRY),
    Reason.NOT_AN_IMAGE: Advice(
        "the bytes are of no picture: often a page that says it is gone", "nothing, or repair the file"
    ),
    Reason.UNSUPPORTED_FORMAT: Advice(
        "a kind of picture or video that is not read", "convert it, to JPEG or PNG for instance"
    ),
    Reason.TRUNCATED: Advice("the bytes end early", FIX_AND_RETRY, passing=True),
    Reason.CORRUPT: Advice("the bytes do not decode", FIX_AND_RETRY),
    Reason.TOO_MANY_PIXELS: Advice(
        "more pixels than pictures.max_pixels (a video: limits.max_pixels)", "a larger limit, on a new output"
    ),
    Reason.TOO_SMALL: Advice(
        "the shorter side is below pictures.min_side", "a smaller limit, on a new output"
    ),
    Reason.BAD_ASPECT: Advice(
        "longer against shorter side is over pictures.max_aspect", "a larger limit, on a new output"
    ),
    Reason.FILTERED: Advice("a filter dropped it, as asked", "`zoetrope filters` shows what a filter drops"),
    Reason.NOT_A_VIDEO: Advice("the file is no video of a known kind", FIX_AND_RETRY),
    Reason.NO_FRAMES: Advice("no frame decodes", FIX_AND_RETRY),
    Reason.MISSING_VIDEO: Advice(
        "no file of this video is in source.videos", "add it, then `zoetrope retry`"
    ),
    Reason.DECODER_TIMEOUT: Advice(
        "it took longer than limits.seconds (a video: limits.decode_seconds)",
        "`zoetrope retry` with a larger limit",
    ),
    Reason.DECODER_MEMORY: Advice(
        "it needed more than limits.memory_mb", "`zoetrope retry` with a larger limit"
    ),
    Reason.DECODER_CRASH: Advice("it ended the process that decoded it", "leave the file out; it is hostile"),
    Reason.TASK_FAILED: Advice(
        "its task failed three times; the detail has the last error",
        "see the detail, then `zoetrope retry`",
        passing=True,
    ),
    Reason.ERROR: Advice("an unforeseen error; the detail has it", "please report it"),
}


def advice_for(reason: str) -> Advice | None:
    """The advice for the reason of a row; None for a reason of another version."""
    if reason not in Reason.__members__.values():
        return None
    return ADVICE[Reason(reason)]


def passing_reasons() -> list[str]:
    """The reasons after which a retry with the same settings may succeed."""
    return [reason.value for reason, advice in ADVICE.items() if advice.passing]
