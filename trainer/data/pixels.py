"""The memory that the pictures and frames of a batch are written to.

Nothing in it is copied again on its way to the training process.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transforms.media.stored import decode_stored

ROOM = 1.125  # bytes of a new tensor per byte of the batch before
GROWTH = 1.25  # of a tensor that proves too small


def new_bytes(size: int, *, shared: bool) -> Tensor:
    """Return a uint8 tensor whose bytes nobody has written. `shared`: other processes can map it.

    On Linux shared memory is a file without a name: containers keep /dev/shm small, and one batch of frames
    may be 230 MB. The kernel frees it with the last process that maps it.
    """
    tensor = torch.empty(0 if shared else size, dtype=torch.uint8)
    if not shared or not size:
        return tensor
    if not hasattr(os, "memfd_create"):
        return tensor.set_(torch.UntypedStorage._new_shared(size))
    descriptor = os.memfd_create("zoetrope-batch", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        # torch keeps a descriptor of its own, and sends that when the tensor is pickled.
        storage: Any = torch.UntypedStorage
        return tensor.set_(storage._new_shared_fd_cpu(descriptor, size))
    finally:
        os.close(descriptor)


class Pixels:
    """One uint8 tensor that grows as pictures are appended.

    In a worker the tensor is in shared memory, and the training process takes it from there.
    """

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._tensor = self._new(0)
        self.used = 0  # bytes
        self._before = 0  # bytes of the last batch

    def decode(self, picture: bytes) -> np.ndarray:
        """Append a stored picture and return a view of it.

        Raises ValueError; a broken picture takes no room.
        """
        before = self.used
        try:
            return decode_stored(picture, self.room)
        except Exception:
            self.used = before
            raise

    def room(self, height: int, width: int) -> np.ndarray:
        """Reserve the next [height,width,3] bytes.

        The view stays valid when the tensor grows, and keeps its bytes.
        """
        end = self.used + height * width * 3
        if end > len(self._tensor):
            larger = self._new(max(end, int(GROWTH * len(self._tensor))))
            larger[: self.used] = self._tensor[: self.used]
            self._tensor = larger
        view: np.ndarray = self._array[self.used : end].reshape(height, width, 3)
        self.used = end
        return view

    def take(self) -> Tensor:
        """Return the pictures, uint8 [bytes]. The next picture starts a tensor with a little more room.

        Batches of one job are of about one size. The smaller of the last two counts, so that one huge picture
        makes no later tensor large.
        """
        taken = self._tensor[: self.used]
        expected = min(self.used, self._before)
        self._before = self.used
        self._tensor, self.used = self._new(int(ROOM * expected)), 0
        return taken

    def _new(self, size: int) -> Tensor:
        tensor = new_bytes(size, shared=self._shared)
        self._array: np.ndarray = tensor.numpy()  # the same memory; its slices cost a tenth of a tensor's
        return tensor
