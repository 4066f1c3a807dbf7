"""Engines for one machine, to try a cluster's ways without a cluster: Beam worker pools and a Flink session cluster."""
