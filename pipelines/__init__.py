"""The jobs that make shards: sources, fetching, planning, making, writing, publishing.

Only `running/` and `template.py` import Apache Beam.
"""
