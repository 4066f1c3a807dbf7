"""A training run: configuration, loop, step, evaluation, records, checkpoints, optimizer."""
