"""Locks: one writer per output or index.

`holder.py`, `kernel.py` and `lease.py` are covered by tests/storage/locks/test_lock.py.
"""
