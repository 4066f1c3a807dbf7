"""Records of a run: the console, metrics.jsonl, TensorBoard, Weights & Biases."""
