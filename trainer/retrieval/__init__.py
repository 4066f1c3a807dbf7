"""Text-video retrieval: from embeddings to ranks and metrics.

test_evaluate covers config and embed.
"""
