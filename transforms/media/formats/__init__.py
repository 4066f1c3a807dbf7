"""File formats of pictures: structure and metadata, read within bounds and without decoding a pixel."""
