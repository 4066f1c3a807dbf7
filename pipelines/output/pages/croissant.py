"""croissant.json: the output in Croissant 1.0 (docs.mlcommons.org/croissant)."""

from __future__ import annotations

import json
from typing import Any

from pipelines.output.pages.facts import Facts
from schemas.manifest import SAMPLES_FILE
from schemas.text import counted

SAMPLE_FILES = "sample-rows"  # id of a table in several files
SOURCE_TERMS = "the terms of the source of the pictures and captions"
_TEXT, _WHOLE, _NUMBER = "sc:Text", "sc:Integer", "sc:Float"
_FIELDS = {  # column of samples.parquet -> its type and meaning
    "key": (_TEXT, "Key of the sample, unique in the data set: the names of its members in the shard."),
    "shard": (_TEXT, "File name of the shard that holds the sample."),
    "caption": (_TEXT, "Caption of the clip, the content of KEY.txt."),
    "motion": (_TEXT, "Camera motion, such as zoom_in; empty for real videos."),
    "frames": (_WHOLE, "Frames of the clip."),
    "width": (_WHOLE, "Width of a frame, pixels."),
    "height": (_WHOLE, "Height of a frame, pixels."),
    "original_width": (_WHOLE, "Width of the source picture or video, pixels."),
    "original_height": (_WHOLE, "Height of the source picture or video, pixels."),
    "zoom": (_NUMBER, "Square root of the picture's area over the tightest view's; 1 shows all of it."),
    "bytes": (_WHOLE, "Size of all members of the sample, bytes."),
    "source": (_TEXT, "Kind of source that the picture or video came from."),
    "url": (_TEXT, "Address that the picture came from, where it is known."),
    "image_id": (_TEXT, "Identity of the picture or video; clips of equal identity show the same one."),
    "scores": (_TEXT, "Scores of the filters that kept the sample, JSON by filter; null without filters."),
}
_TERMS = """citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes
isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate
separator source subField transform"""
_CONTEXT = {  # the one that the specification recommends (docs.mlcommons.org/croissant, appendix 1)
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


def croissant_json(facts: Facts, *, published: str) -> bytes:
    """The data set in Croissant 1.0, the same JSON as mlcroissant writes. `published` is an ISO date.

    mlcroissant needs 0.3 s to import, and only a few values differ between data sets.
    """
    about = facts.about
    shards = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "WebDataset shards, checked by manifest.parquet.",
        "encodingFormat": "application/x-tar",
        "includes": "*.tar",
    }
    dataset = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.name,
        "description": about.description
        or f"{counted(facts.samples, 'clip')} with captions for video-text training, in WebDataset shards.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": about.citation,
        "datePublished": published,
        "license": about.license or SOURCE_TERMS,
        "url": about.url,
        "version": "1.0.0",
        "distribution": [_samples_resource(facts), shards],
        "recordSet": [_record_set(facts)],
    }
    given = {name: value for name, value in dataset.items() if value is not None}
    return (json.dumps(given, indent=2, ensure_ascii=False) + "\n").encode()


def _record_set(facts: Facts) -> dict[str, Any]:
    kind = "fileSet"
    if facts.is_single:
        kind = "fileObject"
    source = {kind: {"@id": _samples_resource(facts)["@id"]}}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{name}",
            "name": name,
            "description": meaning,
            "dataType": kind,
            "source": {**source, "extract": {"column": name}},
        }
        for name, (kind, meaning) in _FIELDS.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "One record per clip, from the table of samples.",
        "key": {"@id": "samples/key"},
        "field": fields,
    }


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
