"""Stores: how a clip becomes the members of a sample, and how the members become frames again.

`base` holds the interface, `frames`, `mp4` and `still` one store each, `registry` the table of them. A new
store is a class and a line in that table.
"""
