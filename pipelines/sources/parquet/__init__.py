"""Parquet tables: the source, their columns and footers, and the rows of their row groups."""
