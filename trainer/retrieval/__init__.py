"""From embeddings to ranks and metrics.

test_evaluate covers config, embed and reranking.
"""
