"""Packages that an installation may lack: which extra brings them."""

from __future__ import annotations

EXTRA_OF = {
    "open_clip": "train",
    "safetensors": "train",
    "tensorboard": "train",
    "torchvision": "train",
    "apitools": "dataflow",
    "datasets": "hub",
    "huggingface_hub": "hub",
    "s3fs": "s3",
    "skimage": "lab",
    "sklearn": "lab",
}
# The plain installation has these; the smallest one (docker/local.lock) leaves them out.
LEFT_OUT = {"torch": "torch", "kornia": "kornia", "gcsfs": "gcsfs", "google": "gcsfs"}


def how_to_install(error: ModuleNotFoundError) -> str | None:
    """Return the line that says what to install, or None for a module that is not on these lists."""
    name = (error.name or "").partition(".")[0]
    if name in EXTRA_OF:
        return f"this needs {name}, which is not installed: pip install 'zoetrope[{EXTRA_OF[name]}]'"
    if name in LEFT_OUT:
        return f"this needs {LEFT_OUT[name]}, which is not installed: pip install {LEFT_OUT[name]}"
    return None
