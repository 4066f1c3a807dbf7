"""Weights from outside: files of strangers, CLIP's and CLIP2Video's official ones, and their conversion."""
