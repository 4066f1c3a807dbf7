"""A task's samples are made here: clips, imported videos, filters, GPUs."""
