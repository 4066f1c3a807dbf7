"""Weight files read as data: safetensors, state dicts, and OpenAI's TorchScript archives. No code runs.

`torch.jit.load` would execute a TorchScript archive, and `torch.load(weights_only=True)` refuses one. The
archive is a zip of raw tensors and a pickle that names them. That pickle is read here with an unpickler that
knows tensors and inert replacements for modules, and refuses every other name.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.local import local_copy
from storage.read import kind

WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts put the weights
MOST_REPEATED = 4  # times that the stored numbers may be used: tied weights are, and views that claim more
MOST_COMPRESSED = 64 << 20  # bytes of code in a zip of weights
PARALLEL, COMPILED = "module.", "_orig_mod."  # of DistributedDataParallel and torch.compile, in names
LFS_POINTER = b"version https://git-lfs"
ZIP_MAGIC, PICKLE_MAGIC = b"PK\x03\x04", b"\x80"
UNPICKLER = "WeightsUnpickler error: "  # in torch's messages, before the cause


def write_tensors(tensors: Mapping[str, Tensor], file: Path, about: dict[str, str] | None = None) -> None:
    """Write a .safetensors file; `about` is its metadata.

    Raises OSError naming the file, which safetensors reports as an error of its own (a full disk, for
    instance).
    """
    try:
        save_file(dict(tensors), file, metadata=about)
    except SafetensorError as error:
        raise OSError(f"{file}: cannot be written: {one_line(error, 300)}") from error


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read name -> tensor (CPU) from .safetensors, a .pt or .bin state dict, or a TorchScript archive.

    A state dict may be a zip or an older pickle. A wrapping ``state_dict`` and what DistributedDataParallel
    and torch.compile put before or into names are removed. Raises ConfigError naming the file.
    """
    if kind(str(path)) != "file":
        raise ConfigError(
            f"weights {path}: no such file; give a .safetensors or .pt file, or an open_clip tag"
        )
    try:
        with local_copy(str(path)) as file:
            values = _read_values(file)
    except Exception as error:
        raise ConfigError(
            f"weights {path}: cannot be read as plain weights: {one_line(error, 300)}"
        ) from error
    return plain_state_dict(values, str(path))


def _read_values(file: Path) -> Any:
    with file.open("rb") as stream:
        head = stream.read(len(LFS_POINTER))
    if head == LFS_POINTER:
        raise ValueError("it is a Git LFS pointer; fetch the file itself with `git lfs pull`")
    if file.suffix == ".safetensors" and head.startswith(ZIP_MAGIC):
        raise ValueError("it is a file of torch.save, not safetensors; rename it to .pt")
    # safetensors: eight bytes of length, and then JSON.
    if head[8:9] == b"{" or file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    if head.startswith(ZIP_MAGIC):
        if not zipfile.is_zipfile(file):
            raise ValueError("it is cut off or damaged")
        _check_stored(file)
        if _torchscript_root(file) is not None:
            return _read_torchscript(file)
    if not head.startswith((ZIP_MAGIC, PICKLE_MAGIC)):
        raise ValueError("it is neither a zip nor a pickle nor safetensors")
    return _load(file)


def _load(file: Path) -> Any:
    """The values of a file that torch wrote, without its warnings and its advice to run the file's code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            _, _, cause = str(error).partition(UNPICKLER)
            cause, is_code, _ = cause.partition(" was not an allowed global")
            if is_code:
                cause += "; save its state_dict() instead"
            raise ValueError(f"it holds more than plain tensors: {cause or 'it is damaged'}") from None


def _check_stored(file: Path) -> None:
    """Raise ValueError for a zip that unpacks to far more than it is: torch compresses code alone."""
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > file.stat().st_size + MOST_COMPRESSED:
        raise ValueError(f"a zip of {file.stat().st_size} bytes that unpacks to {unpacked}")


def plain_state_dict(values: Any, name: str) -> dict[str, Tensor]:
    """Unwrap what training scripts save around a state dict.

    Raises ConfigError if no mapping of tensors is left.
    """
    for wrapper in WRAPPERS:
        if isinstance(values, Mapping) and isinstance(values.get(wrapper), Mapping):
            values = values[wrapper]
    if (
        not isinstance(values, Mapping)
        or not values
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in values.items())
    ):
        holds = ""
        if isinstance(values, Mapping) and values:
            holds = f"; it holds {one_line(', '.join(map(str, values)), 100)}"
        raise ConfigError(f"weights {name}: not a state dict (a mapping of names to tensors){holds}")
    _check_tensors(values, name)
    values = {key.replace(COMPILED, ""): value for key, value in values.items()}
    prefix = ""
    if all(key.startswith(PARALLEL) for key in values):
        prefix = PARALLEL
    return {key.removeprefix(prefix): value for key, value in values.items()}


def _check_tensors(values: Mapping[str, Tensor], name: str) -> None:
    """Raise ConfigError for tensors that are no plain numbers, and for views that repeat what is stored.

    A tensor of stride 0 can claim any size, which takes memory when it is copied.
    """
    numbers, stored = 0, dict[int, int]()
    for key, tensor in values.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
            raise ConfigError(f"weights {name}: {key} is no plain tensor ({tensor.dtype}, {tensor.layout})")
        storage = tensor.untyped_storage()
        stored[storage.data_ptr()] = storage.nbytes()
        numbers += tensor.numel() * tensor.element_size()
    if numbers > MOST_REPEATED * sum(stored.values()):
        raise ConfigError(
            f"weights {name}: its tensors claim {numbers} bytes, and {sum(stored.values())} are stored"
        )


def _torchscript_root(file: Path) -> str | None:
    """The archive's top folder if the zip is TorchScript, None if it is a state dict."""
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith("/constants.pkl"):
                return name.removesuffix("constants.pkl")
    return None


def _read_torchscript(file: Path) -> dict[str, Tensor]:
    root = _torchscript_root(file)
    with zipfile.ZipFile(file) as archive:
        module = _Archive(archive, f"{root}data.pkl", f"{root}data/").load()
    tensors: dict[str, Tensor] = {}
    _collect(module, "", tensors)
    return tensors


class _Module:
    """An inert replacement for any TorchScript class. It keeps the attributes."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def _collect(module: Any, prefix: str, into: dict[str, Tensor]) -> None:
    for name, value in getattr(module, "attributes", {}).items():
        if isinstance(value, Tensor):
            into[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", into)


class _Archive(pickle.Unpickler):
    """Unpickles data.pkl of a TorchScript archive with tensors and stand-ins alone."""

    _DTYPES = {  # noqa: RUF012 read only
        "DoubleStorage": torch.float64,
        "FloatStorage": torch.float32,
        "HalfStorage": torch.float16,
        "BFloat16Storage": torch.bfloat16,
        "LongStorage": torch.int64,
        "IntStorage": torch.int32,
        "BoolStorage": torch.bool,
    }

    def __init__(self, archive: zipfile.ZipFile, member: str, data: str) -> None:
        super().__init__(io.BytesIO(archive.read(member)))
        self._archive, self._data = archive, data
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in self._DTYPES:
            return self._DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name in (
            "build_intlist",
            "build_boollist",
            "build_doublelist",
            "build_tensorlist",
        ):
            return list
        raise pickle.UnpicklingError(f"the archive names {module}.{name}, which weights do not need")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"unknown persistent object {kind!r}")
        if key not in self._storages:
            raw = bytearray(self._archive.read(self._data + key))
            if count:
                self._storages[key] = torch.frombuffer(raw, dtype=dtype, count=count)
            else:
                self._storages[key] = torch.empty(0, dtype=dtype)
        return self._storages[key]


def _rebuild(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return torch.as_strided(storage, size, stride, offset)
