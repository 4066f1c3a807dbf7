"""Pages about a run or a search."""
