"""Commands on a model: train it, compare runs, evaluate, convert and export it, and search with it."""
