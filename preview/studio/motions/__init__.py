"""The Motions tab: clips, tiles, presets, and the texts and files that a user takes away."""
