"""README.md of an output: its content, how to read it, how it was made."""

from __future__ import annotations

import yaml

from pipelines.output.pages.facts import Facts, brace_pattern
from pipelines.output.pages.front_matter import front_matter
from pipelines.output.pages.snippets import reading
from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from schemas.text import counted, human_bytes
from transforms.stores.registry import find_store

CONFIG_FILE = "| `config.yaml` | the resolved config |\n"
CONFIGS_FILE = "| `configs.yaml` | the configs of the outputs that it was made of |\n"
REPORT_FILES = "| `report.html`, `report.json` | a report on the run |\n"
THEIR_TERMS = "The pictures and captions remain under the terms of the source they came from."


def readme_md(facts: Facts) -> bytes:
    """The data set's page, with the front matter that `datasets` and the hub read."""
    return f"""{front_matter(facts)}
# {facts.name}

{_about(facts)}
{_failures(facts)}
## Files

| file | content |
|---|---|
| `{brace_pattern(facts.shards) or "*.tar"}` | the shards: plain tars, with the members of a sample in a row |
| `{MANIFEST_FILE}` | one row per shard: samples, bytes, sha256, first and last key |
| `{facts.files_of(SAMPLES_FILE)}` | one row per clip: key, shard, caption, motion, size, url |
| `{facts.files_of(FAILURES_FILE)}` | one row per failed input: key, stage, reason, detail, url |
| `sizes.json`, `wids.json` | the same counts for open_clip and wids |
| `croissant.json` | the dataset in Croissant 1.0 |
{CONFIGS_FILE if facts.others else CONFIG_FILE}{REPORT_FILES * facts.is_run}
{_members(facts)}

{reading(facts)}
## Config

```yaml
{_configs(facts)}
```

{_terms(facts)}""".encode()


def _about(facts: Facts) -> str:
    clips, shards = counted(facts.samples, "clip"), counted(len(facts.shards), "WebDataset shard")
    counts = (
        f"{clips} with captions in {shards} ({human_bytes(facts.bytes)}), made by Zoetrope {facts.version}.\n"
        f"{counted(facts.failed, 'input')} gave no clip; "
        f"`{facts.files_of(FAILURES_FILE)}` gives the reason of each."
    )
    parts = [facts.about.description, counts]
    if facts.about.url:
        parts.append(f"Home page: {facts.about.url}")
    return "\n\n".join(part.strip() for part in parts if part)


def _configs(facts: Facts) -> str:
    configs = [dict(config) for config in (facts.config, *facts.others)]
    return yaml.safe_dump_all(configs, sort_keys=False, allow_unicode=True).rstrip()


def _failures(facts: Facts) -> str:
    ordered = sorted(facts.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    rows = "".join(f"| `{reason}` | {count} |\n" for reason, count in ordered)
    if not rows:
        return ""
    return f"\n| reason | inputs |\n|---|---|\n{rows}"


def _members(facts: Facts) -> str:
    if facts.is_video:
        return (
            f"Members of a sample: `KEY.000.{facts.extension}` and so on, its frames, up to {facts.frames}; "
            "`KEY.txt`, the first caption; `KEY.json`, everything else: all captions, the frames' times "
            "in the video."
        )
    media = find_store(facts.store).describe(facts.frames, facts.extension)
    return f"Members of a sample: {media}; `KEY.txt`, the caption; `KEY.json`, everything else."


def _terms(facts: Facts) -> str:
    if facts.about.license is None:
        terms = THEIR_TERMS
    else:
        terms = f"License: {facts.about.license}."
    cite = ""
    if facts.about.citation is not None:
        cite = _citation(facts.about.citation.strip())
    return f"## License\n\n{terms}\n{cite}"


def _citation(text: str) -> str:
    if text.startswith("@"):
        text = f"```bibtex\n{text}\n```"
    return f"\n## Citation\n\n{text}\n"
