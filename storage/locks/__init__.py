"""One writer per place.

`holder.py`, `kernel.py` and `lease.py` are covered by tests/storage/locks/test_lock.py.
"""
