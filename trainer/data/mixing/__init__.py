"""Several sets of shards in one run: their shares of every batch, and their settings."""
