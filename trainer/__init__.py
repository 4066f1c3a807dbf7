"""Who learns: data loading, CLIP2Video, the interaction module, losses, training, evaluation, search."""
