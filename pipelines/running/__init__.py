"""The Beam part: graph, submission, engines, workers, signals, progress."""
