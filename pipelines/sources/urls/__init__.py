"""Lists of URLs: CSV, JSON lines, and text of a URL per line."""
