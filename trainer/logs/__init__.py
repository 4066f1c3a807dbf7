"""Records of a run: the console, metrics.jsonl, TensorBoard, Weights & Biases.

test_run_logs covers console, folder and sinks.
"""
