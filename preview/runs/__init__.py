"""Training runs for people: what their logs say, as a table and as a page of curves."""
