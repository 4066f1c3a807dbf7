"""The files that describe an output to other readers: sizes.json, wids.json, README.md, croissant.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE, ShardRow
from transforms.stores.registry import find_store

SAMPLE_FILES = "sample-rows"  # Croissant's id of a table in several files
_TEXT, _WHOLE = "sc:Text", "sc:Integer"
_CROISSANT_FIELDS = {  # column of samples.parquet -> its type
    "key": _TEXT,
    "shard": _TEXT,
    "caption": _TEXT,
    "motion": _TEXT,
    "frames": _WHOLE,
    "width": _WHOLE,
    "height": _WHOLE,
    "source": _TEXT,
    "url": _TEXT,
    "image_id": _TEXT,
}
_TERMS = """citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes
isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate
separator source subField transform"""
_CROISSANT_CONTEXT = {  # the one that the specification recommends (docs.mlcommons.org/croissant, appendix 1)
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}


@dataclass(frozen=True)
class Facts:
    """The facts on a dataset's card. Counts are of the whole output, not of one run."""

    name: str  # of the output folder
    config: Mapping[str, Any]  # the resolved config
    shards: Sequence[ShardRow]
    samples: int
    failed: int
    reasons: Mapping[str, int]  # failure reason -> count
    version: str  # of zoetrope
    samples_sha256: str | None  # of samples.parquet; None if the samples are a folder of files

    @property
    def is_single(self) -> bool:
        """Is each table one file?"""
        return self.samples_sha256 is not None

    def files_of(self, table: str) -> str:
        """The name of a table, or a pattern for its files."""
        return table if self.is_single else f"{table.removesuffix('.parquet')}/*.parquet"


def sizes_json(shards: Sequence[ShardRow]) -> bytes:
    """open_clip's ``sizes.json``: shard name -> samples."""
    return _json({row.shard: row.samples for row in shards})


def wids_json(name: str, shards: Sequence[ShardRow]) -> bytes:
    """The wids index (version 1), for random access. Its md5sum is left out: the manifest holds a sha256."""
    rows = [{"url": row.shard, "nsamples": row.samples, "filesize": row.bytes} for row in shards]
    return _json({"name": name, "wids_version": 1, "shardlist": rows})


def brace_pattern(shards: Sequence[ShardRow]) -> str | None:
    """``{00000..00331}.tar`` if the names have no gap, else None; a glob serves then."""
    names = [row.shard for row in shards]
    first, last = (names[0], names[-1]) if names else ("", "")
    stems = [name.removesuffix(".tar") for name in names]
    if not names or not all(stem.isdigit() and len(stem) == 5 for stem in stems):
        return None
    if [int(stem) for stem in stems] != list(range(int(stems[0]), int(stems[0]) + len(stems))):
        return None
    return first if first == last else f"{{{stems[0]}..{stems[-1]}}}.tar"


def readme_md(facts: Facts) -> bytes:
    """The dataset's page: its content, how to read it, how it was made."""
    pattern = brace_pattern(facts.shards)
    total = sum(row.bytes for row in facts.shards)
    reasons = "".join(
        f"| `{reason}` | {count} |\n"
        for reason, count in sorted(facts.reasons.items(), key=lambda r: (-r[1], r[0]))
    )
    failures = f"\n| reason | inputs |\n|---|---|\n{reasons}" if reasons else ""
    reading = pattern or "*.tar"
    text = f"""# {facts.name}

{facts.samples} clips with captions in {len(facts.shards)} WebDataset shards ({total} bytes), \
made by Zoetrope {facts.version}.
{facts.failed} inputs gave no clip; `{facts.files_of(FAILURES_FILE)}` gives the reason of each.
{failures}
## Files

| file | content |
|---|---|
| `{reading}` | the shards: plain tars, the members of a sample follow each other |
| `{MANIFEST_FILE}` | one row per shard: samples, bytes, sha256, first and last key |
| `{facts.files_of(SAMPLES_FILE)}` | one row per clip: key, shard, caption, motion, size, url |
| `{facts.files_of(FAILURES_FILE)}` | one row per failed input: key, stage, reason, detail, url |
| `sizes.json`, `wids.json` | the same counts for open_clip and wids |
| `config.yaml` | the resolved config |
| `croissant.json` | the dataset in Croissant 1.0 |
| `report.html`, `report.json` | a report on the run |

{_members(facts.config)}

## Reading

```python
import webdataset as wds
for sample in wds.WebDataset("{reading if pattern else "00000.tar"}", shardshuffle=False).decode("pil"):
    print(sample["__key__"], sample["txt"], sorted(sample))
```

`zoetrope validate .` checks every shard against the manifest.

## Config

```yaml
{yaml.safe_dump(dict(facts.config), sort_keys=False, allow_unicode=True).rstrip()}
```

The pictures and captions remain under the terms of the source they came from.
"""
    return text.encode()


def _members(config: Mapping[str, Any]) -> str:
    store = config.get("store")
    if "frames" in config:  # real videos
        about = dict(config["frames"])
        return (
            f"Members of a sample: `KEY.000.{about['format']}` and so on, its frames, up to "
            f"{about['max_frames']}; "
            "`KEY.txt`, the first caption; `KEY.json`, everything else: all captions, the frames' times "
            "in the video."
        )
    extension = dict(config.get("encode") or {}).get("format", "jpg")
    frames = int(dict(config.get("clip") or {}).get("frames", 12))
    what = find_store(str(store)).describe(frames, extension)
    return f"Members of a sample: {what}; `KEY.txt`, the caption; `KEY.json`, everything else."


def croissant_json(facts: Facts, *, published: str) -> bytes:
    """The dataset in Croissant 1.0, the same JSON as mlcroissant writes. `published` is an ISO date.

    mlcroissant needs 0.3 s to import, and only five values differ between datasets.
    """
    source = {"fileObject" if facts.is_single else "fileSet": {"@id": _samples_resource(facts)["@id"]}}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{name}",
            "name": name,
            "description": name,
            "dataType": kind,
            "source": {**source, "extract": {"column": name}},
        }
        for name, kind in _CROISSANT_FIELDS.items()
    ]
    shards = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "WebDataset shards, checked by manifest.parquet.",
        "encodingFormat": "application/x-tar",
        "includes": "*.tar",
    }
    rows = {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "key": {"@id": "samples/key"},
        "field": fields,
    }
    dataset = {
        "@context": _CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.name,
        "description": f"{facts.samples} clips with captions for video-text training, in WebDataset shards.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": published,
        "license": "the terms of the source of the pictures and captions",
        "version": "1.0.0",
        "distribution": [_samples_resource(facts), shards],
        "recordSet": [rows],
    }
    return (json.dumps(dataset, indent=2, ensure_ascii=False) + "\n").encode()


def _samples_resource(facts: Facts) -> dict[str, Any]:
    """Croissant's description of the table of samples: a file, or a set of files."""
    about = {"description": "One row per clip.", "encodingFormat": "application/x-parquet"}
    if not facts.is_single:
        ours = {"@type": "cr:FileSet", "@id": SAMPLE_FILES, "name": SAMPLE_FILES}
        return {**ours, **about, "includes": facts.files_of(SAMPLES_FILE)}
    return {
        "@type": "cr:FileObject",
        "@id": SAMPLES_FILE,
        "name": SAMPLES_FILE,
        "description": about["description"],
        "contentUrl": SAMPLES_FILE,
        "encodingFormat": about["encodingFormat"],
        "sha256": facts.samples_sha256,
    }


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()
