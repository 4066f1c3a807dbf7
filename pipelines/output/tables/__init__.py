"""The tables of an output, made of parts: planned by range of tasks, folded from records, put in their
places.
"""
