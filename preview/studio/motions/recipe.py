"""Texts that make a clip of the page again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pprint import pformat
from typing import Any

import yaml

from preview.studio.motions.request import ClipRequest
from preview.studio.pictures import StudioPicture
from schemas.clip import ClipMeta
from schemas.keys import derive_seed, slug


def job_key(picture: StudioPicture) -> str:
    """Return the key that the folder source gives to the only picture of a run."""
    stem = picture.name.rpartition(".")[0] or picture.name
    return f"folder-{0:08d}-{slug(stem, 60)}".rstrip("-")


def texts_of(picture: StudioPicture, request: ClipRequest, meta: ClipMeta) -> dict[str, str]:
    """Return the texts that make this clip again, by the name of their form.

    ``config`` is a file for `zoetrope animate`, ``motions`` its field for a config of the user's own,
    ``command`` a command line, and ``python`` a program.
    """
    values = _config(picture, request)
    return {
        "config": _comment(picture, "zoetrope animate --config THIS_FILE") + _yaml(values),
        "motions": _yaml({"motions": values["motions"]}),
        "command": _comment(picture) + _command(values),
        "python": _comment(picture) + _python(picture, request, values, meta),
    }


def _config(picture: StudioPicture, request: ClipRequest) -> dict[str, Any]:
    chosen: Any = [_plain(entry) for entry in request.motions]
    if request.focus != "any":
        chosen = {"focus": request.focus, "mix": chosen}
    return {
        "source": {"kind": "folder", "uri": only(_place(picture))},
        "output": "clips/",
        "seed": request.seed,
        "store": "frames",
        "motions": chosen,
        "clip": {"frames": request.frames, "fps": request.fps, "size": [request.height, request.width]},
    }


def _place(picture: StudioPicture) -> str:
    if picture.uri is None:
        return picture.name
    return picture.uri


def _comment(picture: StudioPicture, command: str = "") -> str:
    """Return a comment with the command, where to run it, and where the caption is expected."""
    caption = ascii((picture.name.rpartition(".")[0] or picture.name) + ".txt")[1:-1]
    needs = []
    if command:
        needs.append(command)
    if picture.uri is None:
        needs.append("run it in the folder that holds the picture")
    needs.append(f"{caption} next to the picture has its caption")
    return f"# {'; '.join(needs)}\n"


def _yaml(values: dict[str, Any]) -> str:
    """Write lists of numbers on one line, everything else on its own."""
    return str(
        yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    )


def _command(values: dict[str, Any]) -> str:
    words = [f"{name}={_flow(value)}" for name, value in _flat(values)]
    return "zoetrope animate " + " \\\n    ".join(map(shlex.quote, words)) + "\n"


def _flat(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name in ("source", "clip"):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _flow(value: Any) -> str:
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=True)
    return str(text).removesuffix("...\n").strip()


def _python(picture: StudioPicture, request: ClipRequest, values: dict[str, Any], meta: ClipMeta) -> str:
    """One motion is shown by `zoetrope.preview`, with the seed of this picture's key; a mix needs the job."""
    if len(request.motions) > 1:
        config = pformat(values, sort_dicts=False, width=100)
        return (
            f"import zoetrope\n\nconfig = {config}\nzoetrope.animate(zoetrope.AnimateConfig.make(config))\n"
        )
    entry = request.motions[0]
    fixed = {}
    if isinstance(entry, dict):
        fixed = {name: value for name, value in entry.items() if name not in ("name", "weight")}
    lines = [f"{_place(picture)!r},", f"{meta.motion!r},"]
    lines.append(
        f"seed={derive_seed(request.seed, meta.key, 'motion')},  # of this picture in run {request.seed}"
    )
    lines.append(f"size={(request.height, request.width)},")
    lines.append(f"frames={request.frames},")
    lines.append(f"fps={request.fps},")
    if request.focus != "any":
        lines.append(f"focus={request.focus!r},")
    if fixed:
        lines.append(f"**{fixed!r},")
    body = "".join(f"    {line}\n" for line in lines)
    return f"import zoetrope\n\nshown = zoetrope.preview(\n{body})\nshown.save('clip.gif')\n"


def only(path: str) -> str:
    """Return this path with its name's glob characters escaped: the source takes a picture, or a glob."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _plain(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = {k: v for k, v in entry.items() if not (k == "weight" and v == 1)}
    if set(kept) == {"name"}:
        return kept["name"]
    return kept
