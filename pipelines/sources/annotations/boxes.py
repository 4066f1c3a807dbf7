"""Boxes around what a picture shows, from instances of COCO's form, columns of tables, and JSON."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.sources.annotations.cells import as_mapping
from pipelines.sources.annotations.coco_index import Id, identifier_of
from pipelines.sources.annotations.json_entries import json_entries
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from transforms.subject.boxes import FIELD, MAX_BOXES, parse_boxes

DIGITS = 2  # after the point, of a pixel


class Instances:
    """The boxes of COCO's instances by image, four float32 each, so that all of COCO's fit in 30 MB."""

    def __init__(self, paths: Iterable[str], field: str) -> None:
        """Read `bbox` of every annotation but crowds. Raises ConfigError for a file without any."""
        self._of: dict[Id, array[float]] = {}
        paths = list(paths)
        for path in paths:
            for name, entry in json_entries(path, field, ("annotations",)):
                about = as_mapping(entry)
                identifier = identifier_of(about.get("image_id"))
                if name == "annotations" and identifier is not None and not about.get("iscrowd"):
                    self._add(identifier, about.get("bbox"))
        if not self._of:
            raise ConfigError(f"{field}: {paths[0]}: no boxes in it; give an instances_*.json of COCO's form")

    def _add(self, identifier: Id, box: Any) -> None:
        try:
            boxes = parse_boxes([box])
        except ValueError:
            return  # an annotation without a box says nothing of the others
        found = self._of.setdefault(identifier, array("f"))
        if len(found) < 4 * MAX_BOXES:
            found.extend(boxes[0])

    def meta(self, identifier: Id) -> dict[str, Any]:
        """Return ``{"boxes": [[x, y, width, height], ...]}`` for `Reference.meta`; {} without a box."""
        numbers = [round(number, DIGITS) for number in self._of.get(identifier, ())]
        boxes = [numbers[at : at + 4] for at in range(0, len(numbers), 4)]
        if not boxes:
            return {}
        return {FIELD: boxes}


def boxes_meta(row: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return the boxes in a field of a row, such as `boxes` or `objects.bbox`, for `Reference.meta`.

    {} for a row without boxes. Raises SampleError for a value that is no list of boxes.
    """
    value: Any = row
    for name in field.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        else:
            value = None
    try:
        if isinstance(value, str):  # a cell of a CSV
            text, value = value, None
            if text.strip():
                value = json.loads(text)
        boxes = parse_boxes(value)
    except (ValueError, RecursionError) as error:
        raise SampleError(Stage.READ, Reason.MALFORMED_ROW, f"{field}: {error}") from None
    if not boxes:
        return {}
    return {FIELD: [[round(number, DIGITS) for number in box] for box in boxes]}
