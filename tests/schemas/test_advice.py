"""Every reason of a failure has a meaning and a remedy, in the code and in docs/failures.md."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.advice import ADVICE, advice_for, passing_reasons
from schemas.records import Reason

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"


def test_every_reason_has_advice():
    assert list(ADVICE) == list(Reason)
    assert all(advice.meaning and advice.remedy for advice in ADVICE.values())


def test_the_page_has_the_same_table():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (\w*) ?\|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [
        (reason.value, advice.meaning, advice.remedy, "yes" if advice.passing else "")
        for reason, advice in ADVICE.items()
    ]


def test_a_reason_of_another_version_has_no_advice():
    assert advice_for("a_new_reason") is None
    assert advice_for("http_404").remedy == "nothing (the picture is gone)"


def test_what_may_pass_is_what_the_fetcher_tries_again():
    assert {"timeout", "dns_error", "connection_error", "http_429", "http_503"} <= set(passing_reasons())
    assert not {"http_404", "corrupt", "filtered", "empty_caption"} & set(passing_reasons())
