"""From shards to batches: which worker reads what, shuffling, decoding, collating, and the state to go on from."""
