"""What crosses a boundary: configs, records, keys, shard members, the manifest, failures.

Imports nothing of the other packages, and neither torch nor apache_beam.
"""
