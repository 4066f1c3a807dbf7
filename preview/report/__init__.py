"""Pages that need no other file: the report of a job, tried filters, search results."""
