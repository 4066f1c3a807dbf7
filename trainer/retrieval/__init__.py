"""From embeddings to ranks and metrics."""
