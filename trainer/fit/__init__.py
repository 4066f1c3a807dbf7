"""A training run: configuration, loop, step, evaluation, records, checkpoints.

test_train and test_resume cover advice, config, evaluation, loop, recorder and saver; test_train also
step. test_checkpoint covers initialise.
"""
