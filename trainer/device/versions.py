"""The versions of everything that a measured number could depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from schemas.version import VERSION

PACKAGES = ("torch", "open_clip_torch", "kornia", "numpy", "opencv-python-headless", "simplejpeg", "av")


def versions() -> dict[str, str]:
    """Return the versions of Python, of our packages, and of the GPU's software if there is a GPU."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "zoetrope": VERSION}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # installed under another name, such as opencv-python
            found[name] = "unknown"
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["cuda"] = str(torch.version.cuda)
    return found
