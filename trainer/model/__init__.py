"""The model: CLIP towers, temporal difference block, aligned tokens, interaction module, weights."""
