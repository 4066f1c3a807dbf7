"""Bytes by path or URI: open, read, write whole or not at all, move, list; one lock; shards and tables."""
