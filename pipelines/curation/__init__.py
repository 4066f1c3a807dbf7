"""The `filters` of a job: which there are, how they are called, and the pass over the whole input."""
