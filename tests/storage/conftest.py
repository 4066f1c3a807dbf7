"""Fixtures of the storage tests: a small output folder."""

from tiny_output import output  # noqa: F401 (a fixture)
