"""A search index over shards: building, storing, searching.

test_search covers frames and searcher; test_build covers config and shard.
"""
