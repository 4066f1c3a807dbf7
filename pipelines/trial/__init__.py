"""Filters that are tried: every filter is called on the first inputs of a source, and no clip is made."""
