"""COCO annotations: COCO's own form, Karpathy's split files, and lists of image and caption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from pipelines.sources.annotations.cells import as_mapping, as_text, texts
from pipelines.sources.annotations.json_entries import json_entries
from pipelines.workers.reader import Progress, unwatched
from schemas.text import valid_text

Id = int | str
ID_FIELDS = ("id", "cocoid", "imgid", "image_id")
ROW_ID_FIELDS = ("image_id", "cocoid", "imgid", "id")  # of a list of rows, where `id` may be the caption's
FILE_FIELDS = ("file_name", "filename", "image", "file", "path")
MAX_DIGITS = 18  # of an id that is written as text


@dataclass(slots=True)
class Image:
    """One entry of 'images'. Fields that are missing, or not of their type, are None or empty."""

    id: Id | None
    file: str = ""
    url: str | None = None
    captions: list[str] = field(default_factory=list)
    split: str | None = None
    known: bool = True  # False: it has captions, but is not in 'images'


def read_images(paths: Iterable[str], field: str, progress: Progress = unwatched) -> list[Image]:
    """Return the images of annotation files in order of id: numbers, texts, and images without an id.

    An annotation belongs to the image of the same id. If there is none, '7', '007' and 7.0 are the number 7.
    Images that only captions speak of come with ``known=False``. Raises ConfigError for a file that is not
    JSON.
    """
    images: list[Image] = []
    captions: dict[Id, list[str]] = {}
    listed: dict[Id, Image] = {}
    for path in paths:
        for name, entry in json_entries(path, field, ("images", "annotations"), progress=progress):
            about = as_mapping(entry)
            if name == "annotations":
                identifier = identifier_of(about.get("image_id"))
                if identifier is not None:
                    captions.setdefault(identifier, []).extend(_captions(about))
            elif name == "images":
                images.append(_image(about))
            else:  # a list of rows: one row per caption, or per image
                row = _image(about, ROW_ID_FIELDS)
                image = None
                if row.id is not None:
                    image = listed.get(row.id)
                if image is None:
                    image = row
                    images.append(row)
                    if row.id is not None:
                        listed[row.id] = row
                image.captions += _captions(about)
    _give_captions(images, captions)
    images.sort(key=_order)
    return images


def identifier_of(value: Any) -> Id | None:
    """An id as an int or a text. 7.0 is 7. None for what is no id."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        return int(value)
    if not isinstance(value, int | str):
        return None
    return value


def _image(about: Mapping[str, Any], id_fields: Sequence[str] = ID_FIELDS) -> Image:
    identifiers = (identifier_of(about.get(name)) for name in id_fields)
    identifier = next((i for i in identifiers if i is not None), None)
    file = next((about[name] for name in FILE_FIELDS if isinstance(about.get(name), str)), "")
    if identifier is None and file:
        identifier = _file_id(about, file)
    folder = about.get("filepath")  # Karpathy's: the folder of the file
    if isinstance(folder, str) and folder and file:
        file = f"{folder}/{file}"
    url = about.get("coco_url") or about.get("flickr_url")
    if not file and isinstance(about.get("coco_url"), str):  # LVIS names its pictures by their URLs alone
        file = _path_of(about["coco_url"])
    split = about.get("split")
    if not isinstance(split, str):
        split = None
    return Image(identifier, valid_text(file), as_text(url), _sentences(about), split)


def _captions(about: Mapping[str, Any]) -> list[str]:
    return texts(about.get("caption", about.get("captions")))


def _path_of(url: str) -> str:
    """The path in a URL, without the slash at its beginning; "" for no URL."""
    try:
        return unquote(urlsplit(url).path).lstrip("/")
    except ValueError:
        return ""


def _sentences(about: Mapping[str, Any]) -> list[str]:
    """The captions that Karpathy's form holds with the image."""
    captions = []
    for sentence in _list(about.get("sentences")):
        if isinstance(sentence, dict):
            sentence = sentence.get("raw")
        captions += texts(sentence)
    return captions


def _file_id(about: Mapping[str, Any], file: str) -> str | None:
    """The file names the image in lists of image and caption, which have no ids."""
    if "caption" in about or "captions" in about:
        return file
    return None


def _give_captions(images: list[Image], captions: dict[Id, list[str]]) -> None:
    """Add each annotation to its image, by the id itself, else by the number that the id spells."""
    by_id: dict[Id, Image] = {}
    by_number: dict[int, Image | None] = {}  # None: several images
    for image in images:
        if image.id is None or image.id in by_id:
            continue
        by_id[image.id] = image
        number = _number(image.id)
        if number is not None:
            if number in by_number:
                by_number[number] = None
            else:
                by_number[number] = image
    for identifier, told in captions.items():
        number = _number(identifier)
        found = by_id.get(identifier)
        if found is None and number is not None:
            found = by_number.get(number)
        if found is None:
            images.append(Image(identifier, captions=told, known=False))
        else:
            found.captions += told


def _number(identifier: Id) -> int | None:
    if isinstance(identifier, int):
        return identifier
    text = identifier.strip()
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    return None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return []
    return value


def _order(image: Image) -> tuple[int, int, str]:
    """Numbers by value, then texts, then images without an id: as their keys sort."""
    if is_key_number(image.id):
        return (0, int(image.id or 0), "")
    if image.id is None:
        return (2, 0, "")
    return (1, 0, str(image.id))


def is_key_number(identifier: Id | None) -> bool:
    """Does the id fit the 12 digits of a key?"""
    return isinstance(identifier, int) and 0 <= identifier < 10**12
