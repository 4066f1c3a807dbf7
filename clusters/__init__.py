"""Flink and Spark clusters on this machine, for tests and trials, and the dry run of the Dataflow job."""
