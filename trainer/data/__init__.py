"""Shards to batches: the order of reading, shuffling, decoding, collating, and the state to resume from."""
