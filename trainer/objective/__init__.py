"""The training objective: losses, and their gradients over ranks and parts of a batch."""
