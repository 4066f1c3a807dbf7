"""Count what a call asks of torch: operators, bytes, copies between host and device, and waits of the host.

On a GPU an operator is one kernel, one copy, or a view that costs the host alone. With `fake_cuda` a call
runs on fake tensors of a CUDA device, which hold no data. So copies and waits are counted on a machine
without a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Result = TypeVar("Result")
# Operators that hand a number of the device to the host, or whose output's shape depends on one.
VIEWS = frozenset(
    ["view", "slice", "unbind", "unsqueeze", "squeeze", "permute", "expand", "unfold", "select", "detach",
     "t", "transpose", "alias", "split", "split_with_sizes", "as_strided", "diagonal", "chunk", "lift_fresh"]
)  # fmt: skip
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal")


@dataclass
class Counted:
    """What ran, by the operator's name."""

    operators: Counter[str] = field(default_factory=Counter)
    copies: int = 0  # between devices
    waits: int = 0
    moved: int = 0  # bytes that kernels read and write, each tensor once per kernel

    @property
    def total(self) -> int:
        """All operators, views included."""
        return self.operators.total()

    @property
    def kernels(self) -> int:
        """Operators that are not views."""
        return sum(count for name, count in self.operators.items() if name.split(".")[1] not in VIEWS)


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counted = Counted()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        name = str(operator)
        if name.startswith("prim."):  # questions to a tensor, such as its device
            return result
        self.counted.operators[name] += 1
        if name.split(".")[1] not in VIEWS:
            self.counted.moved += _moved(name, args, kwargs or {}, result)
        devices = {tensor.device.type for tensor in _tensors((args, kwargs, result))}
        if {"cpu", "cuda"} <= devices and ("copy" in name or name.startswith("aten.to.")):
            self.counted.copies += 1
            self.counted.waits += not _asynchronous(args, kwargs or {})
        self.counted.waits += any(wait in name for wait in WAITS)
        return result


def _moved(name: str, args: Any, kwargs: Any, result: Any) -> int:
    """Return the bytes that an operator reads and writes. What is only written, or read by index, counts so."""
    if "empty" in name:
        return 0
    written = sum(map(_bytes, _tensors(result)))
    if "index_select" in name:
        return 2 * written
    read = [tensor for tensor in _tensors((args, kwargs)) if tensor is not kwargs.get("out")]
    if name.split(".")[1] in ("copy_", "fill_", "zero_"):
        read = read[1:]
    return written + sum(map(_bytes, read))


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor; those that it shows several times count once."""
    count = tensor.element_size()
    for length, step in zip(tensor.shape, tensor.stride(), strict=True):
        if step:
            count *= length
    return min(count, tensor.untyped_storage().nbytes())


def _asynchronous(args: Any, kwargs: Any) -> bool:
    """Was the copy asked for without a wait?

    It is one only from or to pinned memory, and fake tensors do not know theirs.
    """
    positional = next((argument for argument in args if isinstance(argument, bool)), False)
    return bool(kwargs.get("non_blocking", positional))


def count_operators(call: Callable[[], Result]) -> tuple[Result, Counted]:
    """Return what the call returned, and what it asked of torch."""
    with _Counting() as counting:
        result = call()
    return result, counting.counted


@contextmanager
def fake_cuda() -> Iterator[Callable[[Tensor], Tensor]]:
    """Run on fake tensors. Yields a function that turns a real CPU tensor into a fake one on the CPU."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield lambda tensor: mode.from_tensor(tensor)


CUDA = torch.device("cuda", 0)
