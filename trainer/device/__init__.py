"""Devices and processes: ranks, precision, stop requests, errors of torch, versions.

test_precision covers errors; test_ranks_end and tests/trainer/fit/test_resume.py cover stop.
"""
