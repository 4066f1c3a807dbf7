"""WebDataset shards: read them as a stream, write them, and read one sample of one."""
