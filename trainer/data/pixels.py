"""Where the pictures of a batch are decoded to, so that none is copied again on its way to the training process."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Pixels:
    """One uint8 tensor that pictures are put into, one after another, and that grows as they come.

    In a worker it lies in shared memory, where the training process takes it from.
    """

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._tensor = self._new(0)
        self.used = 0  # bytes; set it back to what it was to give up a picture that came to nothing

    def room(self, height: int, width: int) -> np.ndarray:
        """The next [height,width,3] bytes, to be written to. A view: it stays what it is when the tensor grows."""
        end = self.used + height * width * 3
        if end > len(self._tensor):
            larger = self._new(max(end, 2 * len(self._tensor)))
            larger[: self.used] = self._tensor[: self.used]
            self._tensor = larger
        view: np.ndarray = self._array[self.used : end].reshape(height, width, 3)
        self.used = end
        return view

    def take(self) -> Tensor:
        """What was put in, uint8 [bytes]; the next picture begins a new tensor, as large as this one."""
        taken = self._tensor[: self.used]
        self._tensor, self.used = self._new(len(self._tensor) if self.used else 0), 0
        return taken

    def _new(self, size: int) -> Tensor:
        tensor = torch.empty(0 if self._shared else size, dtype=torch.uint8)
        if (
            self._shared
        ):  # as torch's own default_collate makes it; `share_memory_` would copy what is not there yet
            tensor.set_(torch.UntypedStorage._new_shared(size))
        self._array: np.ndarray = tensor.numpy()  # the same memory: slices of it cost a tenth of a tensor's
        return tensor
