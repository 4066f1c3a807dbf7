"""The files that describe an output to other readers: README.md, croissant.json, sizes.json, wids.json."""
