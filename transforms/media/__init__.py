"""Encoded bytes to pixels and back: pictures, JPEG structure, MP4, video frames."""
