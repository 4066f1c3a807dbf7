"""The training objective: losses, and their gradients over ranks and parts of a batch.

tests/trainer/device/test_ranks.py covers gradients; test_losses covers config.
"""
