"""A search index on disk: build it, open it, search it."""
