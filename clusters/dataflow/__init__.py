"""Checks of the Dataflow job that need no account: its graph, its worker settings, its wheel and its images."""
