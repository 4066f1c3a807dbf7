"""The output folder: names, records, what is missing, the tables at the end, validation."""
