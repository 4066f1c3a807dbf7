"""Where shards are made: sources, fetching, planning, writing shards, the Beam jobs.

Apache Beam is imported here alone.
"""
