"""The `dataset` section of a job's config: what README.md and croissant.json say of an output."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from schemas.config import Config
from schemas.text import valid_text

# Identifiers that the hub takes in `license` (huggingface.co/docs/hub/repositories-licenses); it calls any
# other one `other` and names it in `license_name`.
_LICENSES = """apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc
cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl
osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl unknown other"""
HUB_LICENSES = frozenset(_LICENSES.split())
WEB = ("https://", "http://")


class DatasetConfig(Config):
    """A data set as its readers know it. Nothing here changes a byte of a shard."""

    name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="of the data set, for README.md and croissant.json; null: the output folder's name",
    )
    description: str | None = Field(
        None, min_length=1, max_length=10_000, description="a few sentences on the data set, Markdown"
    )
    license: str | None = Field(
        None,
        min_length=1,
        max_length=300,
        description="of the pictures and captions: an identifier such as cc-by-4.0, a name, or a URL; null: "
        "the source's terms",
    )
    citation: str | None = Field(
        None, min_length=1, max_length=20_000, description="how to cite the data set, BibTeX or text"
    )
    url: str | None = Field(None, max_length=2000, description="the data set's home page, https://...")

    @field_validator("name", "license", "url")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise ValueError(f"{value[:60]!r} must be one line of printable text")
        return value

    @field_validator("description", "citation")
    @classmethod
    def _storable(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return valid_text(value)

    @field_validator("url")
    @classmethod
    def _a_web_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(WEB):
            raise ValueError(f"{value[:60]!r} must begin with https:// or http://")
        return value


def hub_license(license_text: str) -> dict[str, str]:
    """The fields of the hub's front matter for a licence.

    An identifier that the hub knows is `license`; anything else is `other` with a name or a link.
    """
    if license_text.lower() in HUB_LICENSES:
        return {"license": license_text.lower()}
    if license_text.startswith(WEB):
        return {"license": "other", "license_name": "see-link", "license_link": license_text}
    name = re.sub(r"[^\w.-]|_", "-", license_text).lower()
    return {"license": "other", "license_name": name[:100]}
