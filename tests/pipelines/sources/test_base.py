import pytest
from source_checks import source_of, told

from pipelines.sources.annotations.cells import url_identity
from pipelines.sources.base import Source, make_source, read_task
from pipelines.sources.config import SourceConfig
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, Task


class Letters(Source):
    """A source as a user would write one: found by import path, with options of its own."""

    def plan(self):
        yield from self.tasks(self.config.options["letters"])

    def read(self, task):
        for letter in task.payload["rows"]:
            yield Reference(f"letter-{letter}", (letter,), "letters", url=f"http://example.org/{letter}")

    def fingerprint(self):
        return {"kind": "letters", **self.config.options}


OWN = f"{__name__}:Letters"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "kind is required"),
        ({"kind": "coko"}, "'coko' .* the nearest is coco"),
        ({"kind": "coco", "annotations": "a.json"}, "images is required for kind coco"),
        ({"kind": "cc3m"}, "uri is required for kind cc3m"),
        ({"kind": "cc3m", "uri": ""}, "uri is required for kind cc3m"),
        ({"kind": "cc12m", "uri": "a", "images": "b"}, "images has no effect for kind cc12m"),
        ({"kind": "tars", "uri": "a", "caption_column": "b"}, "caption_column has no effect for kind tars"),
        ({"kind": "tars", "uri": "a", "options": {"x": 1}}, "options has no effect for kind tars"),
        ({"kind": "cc3m", "uri": "a", "limit": 0}, "limit = 0 .* >= 1"),
        ({"kind": "cc3m", "ury": "a"}, "unknown field ury.* uri"),
    ],
)
def test_config_mistakes_are_told_in_one_line(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SourceConfig.make(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", SourceConfig.KINDS)
def test_every_kind_is_found(kind):
    fields = {"annotations": "a", "images": "b"} if kind == "coco" else {"uri": "a"}
    assert isinstance(source_of(kind=kind, **fields), Source)


def test_a_source_of_ones_own():
    source = source_of(kind=OWN, options={"letters": ["a", "b", "c"]})
    assert [told(list(read_task(source, task))) for task in source.plan()] == [["a", "b"], ["c"]]
    limited = source_of(kind=OWN, options={"letters": ["a", "b", "c"]}, limit=1)
    assert [task.samples for task in limited.plan()] == [1]
    assert not source.is_remote


@pytest.mark.parametrize(
    "path", ["no_such_module:Thing", "json:NoSuchClass", "json:JSONDecoder", ":", "json:"]
)
def test_a_source_that_cannot_be_used_is_a_config_error(path):
    with pytest.raises(ConfigError, match=r"source\.kind"):
        make_source(SourceConfig(kind=path), shard_samples=1)


def test_a_key_that_comes_twice_is_a_failure_with_a_key_of_its_own():
    source = source_of(kind=OWN)
    first, second, third = read_task(source, Task(0, 3, {"rows": ["a", "a", "a"]}))
    assert isinstance(first, Reference)
    assert isinstance(second, Failure)
    assert isinstance(third, Failure)
    assert second.reason == third.reason == Reason.DUPLICATE_KEY
    assert len({first.key, second.key, third.key}) == 3


def test_only_wanted_keys_are_read_again_and_a_lost_one_is_a_failure():
    task = Task(7, 2, {"rows": ["a", "b", "c"]}, keys=("letter-c", "letter-z"))
    found, lost = read_task(source_of(kind=OWN), task)
    assert found.key == "letter-c"
    assert isinstance(lost, Failure)
    assert (lost.key, lost.reason) == ("letter-z", Reason.UNREADABLE)


def test_an_invalid_key_is_the_sources_bug():
    with pytest.raises(ValueError, match="letter-A"):
        list(read_task(source_of(kind=OWN), Task(0, 1, {"rows": ["A"]})))


def test_equal_urls_are_one_picture():
    assert url_identity("http://a/1") == url_identity("http://a/1") != url_identity("http://a/2")


class Odd(Letters):
    """A source whose texts hold what UTF-8 cannot."""

    def read(self, task):
        yield Reference(
            "k", ("a \ud800",), "odd", url="http://\udfff/", image_id="\ud800", meta={"x": ["\ud800", 1]}
        )


def test_no_text_that_utf8_cannot_hold_leaves_a_source():
    (item,) = read_task(source_of(kind=f"{__name__}:Odd"), Task(0, 1, {}))
    assert isinstance(item, Reference)
    assert (item.captions, item.url, item.image_id) == (("a ?",), "http://?/", "?")
    assert item.meta == {"x": ["?", 1]}
