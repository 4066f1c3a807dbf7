"""Try the filters of a config on the first inputs of its source: `zoetrope filters`. Writes nothing.

The source, its parsers, the fetcher and the worker processes with their limits are those of the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from pipelines.config import AnimateConfig
from pipelines.curation.config import check_filters, check_whole, parse_filters
from pipelines.curation.filters import Entry
from pipelines.curation.scored import Scored
from pipelines.sources.apart import with_limits
from pipelines.sources.base import Source, make_source
from pipelines.trial.result import Trial, sum_up
from pipelines.trial.scorer import Scorer
from schemas.errors import ConfigError
from schemas.records import Failure
from transforms.curation.captions import CAPTION_RULES
from transforms.curation.pictures import PICTURE_RULES

MOST = 20_000  # inputs; each takes about 6 kB of memory until the end
Show = Callable[[int], None]


def try_filters(config: AnimateConfig, limit: int, show: Show = lambda _: None) -> Trial:
    """Call every filter of a config on the first `limit` inputs, 1 to 20,000.

    A config without filters gets every rule that needs no model, with its defaults. `show` is called with the
    number of inputs so far. Raises ConfigError as the job would, and for a source without inputs.
    """
    if not 1 <= limit <= MOST:
        raise ConfigError(f"--limit {limit}: must be 1 to {MOST:,}")
    source = _first_inputs(config, limit)
    entries = config.filters or default_filters(is_remote=source.is_remote)
    check_filters(entries)
    check_whole(entries, is_remote=source.is_remote)
    maker = Scorer(
        source=source,
        settings=config.settings,
        fetch=config.fetch,
        filters=entries,
        device="cpu",
        workers=config.workers,
        limits=config.limits,
    )
    samples: list[Scored] = []
    failures: list[Failure] = []
    maker.setup()
    with closing(maker):
        for item in _scored(source, maker, limit):
            if isinstance(item, Scored):
                samples.append(item)
            else:
                failures.append(item)
            show(len(samples) + len(failures))
    if not samples and not failures:
        raise ConfigError("source: it holds no inputs; check its path and source.limit")
    return sum_up(entries, samples, failures)


def default_filters(*, is_remote: bool) -> tuple[Entry, ...]:
    """Every rule that needs no model, with its defaults. Pictures behind URLs are not compared."""
    # In this order a list of URLs can have `repeated_captions`: nothing before it needs a picture.
    names = [
        *(rule.name for rule in CAPTION_RULES),
        "repeated_captions",
        *(rule.name for rule in PICTURE_RULES),
    ]
    if not is_remote:
        names += ["exact_duplicates", "near_duplicates"]
    return parse_filters(names)


def _first_inputs(config: AnimateConfig, limit: int) -> Source:
    """The source of a config, limited so that no more than the first inputs are planned."""
    least = min(limit, config.source.limit or limit)
    source = config.source.model_copy(update={"limit": least})
    return with_limits(make_source(source, shard_samples=config.shard.max_samples), config.limits)


def _scored(source: Source, maker: Scorer, limit: int) -> Iterator[Scored | Failure]:
    """The first inputs. A plan's own limit may be an estimate, so they are counted here too."""
    left = limit
    for task in source.plan():
        for item in maker.score(task):
            yield item
            left -= 1
            if not left:
                return
