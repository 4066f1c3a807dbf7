"""How a still becomes a clip: decoding, camera motions, rendering, encoding, captions. Pure functions, no
files, no network.
"""
