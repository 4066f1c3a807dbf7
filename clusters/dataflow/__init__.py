"""Check the Dataflow job without an account: its graph, its worker settings, its wheel and its images."""
