"""Where it runs: sources, fetching, planning, writing shards, the Beam jobs. Apache Beam is imported here alone."""
