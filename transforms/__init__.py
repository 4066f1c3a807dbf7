"""A still becomes a clip: decoding, motions, rendering, encoding, captions. No files, no network."""
