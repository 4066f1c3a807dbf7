"""The Shards tab: one output folder, its rows and its clips."""
