"""Annotations as people write them: JSON in several forms, tables of text, and the file names in both."""
