"""Random changes of clips in training: crop, flip, colours, and the patches that the tower sees."""
