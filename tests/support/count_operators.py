"""Count the torch operators that a call runs: on a GPU each is a kernel, a copy, or a view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from torch.utils._python_dispatch import TorchDispatchMode

Result = TypeVar("Result")


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(operator)] += 1
        return operator(*args, **(kwargs or {}))


def count_operators(call: Callable[[], Result]) -> tuple[Result, Counter[str]]:
    """Return what the call returned, and how often each operator ran."""
    with _Counting() as counting:
        result = call()
    return result, counting.counts
