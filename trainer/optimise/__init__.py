"""From gradients to weights: optimizer, learning rates, freezing, and the average of the weights."""
