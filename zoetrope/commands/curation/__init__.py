"""Commands around the filters of a job."""
