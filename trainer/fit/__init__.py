"""Training: configuration, loop, step, losses, optimizer, checkpoints, logs."""
