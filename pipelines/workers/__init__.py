"""Processes with limits on each call: a pool, the nursery that forks them, and their messages.

Imports no Beam.
"""
