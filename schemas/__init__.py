"""The types that cross a boundary: configs, records, keys, KEY.json, manifest rows, failures, errors.

No input or output. Imports nothing of the other packages, and neither torch nor apache_beam.
version and errors have no logic; tests/schemas has a file for each of the others (keys and clip share one).
"""
