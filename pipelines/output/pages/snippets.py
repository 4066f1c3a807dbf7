"""The code of README.md that reads the shards, for the store that they have."""

from __future__ import annotations

from pipelines.output.pages.facts import Facts, brace_pattern
from pipelines.output.pages.front_matter import SPLIT
from schemas.manifest import SAMPLES_FILE


def reading(facts: Facts) -> str:
    """The section on reading. Its code runs in the folder that holds the output."""
    return f"""## Reading

In the folder that holds `{facts.folder}`, with Hugging Face's `datasets` 5 or newer (a copy on the hub is
`load_dataset("USER/NAME")`):

```python
{_datasets(facts)}
```

With `webdataset`, where `zoetrope.decode_clip` gives the frames of any store:

```python
{_webdataset(facts)}
```

For a training loop in PyTorch:

```python
import zoetrope
for clip in zoetrope.ClipDataset({facts.folder!r}):
    print(clip["key"], clip["frames"].shape, clip["caption"])
```

The table of clips alone:

```python
import pandas as pd
table = pd.read_parquet({f"{facts.folder}/{_table(facts)}"!r})
```

`zoetrope validate {facts.folder}` checks every shard against the manifest.
"""


def _table(facts: Facts) -> str:
    if facts.is_single:
        return SAMPLES_FILE
    return SAMPLES_FILE.removesuffix(".parquet")


def _datasets(facts: Facts) -> str:
    member, kind = next(iter(facts.media.items()))
    load = f"load_dataset({facts.folder!r}, split={SPLIT!r})"
    if kind == "video":  # as bytes, for decoding needs torchcodec
        load = f"{load}.cast_column({member!r}, Video(decode=False))"
    names = "load_dataset"
    shown = f'clip["{member}"].size'
    if kind == "video":
        names, shown = "Video, load_dataset", f'len(clip["{member}"]["bytes"])'
    return f"""from datasets import {names}
clips = {load}
for clip in clips:
    print(clip["__key__"], {shown}, clip["txt"], clip["json"]["motion"])"""


def _webdataset(facts: Facts) -> str:
    pattern = brace_pattern(facts.shards)
    before, shards = "", repr(f"{facts.folder}/{pattern}")
    if pattern is None:
        before, shards = "from glob import glob\n", f"sorted(glob({f'{facts.folder}/*.tar'!r}))"
    return f"""{before}import webdataset as wds
import zoetrope
for clip in wds.WebDataset({shards}, shardshuffle=False).map(zoetrope.decode_clip):
    print(clip["__key__"], clip["frames"].shape, clip["caption"])"""
