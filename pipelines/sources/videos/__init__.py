"""Where videos and their captions come from: a user's own table, and `datasets` that are published."""
