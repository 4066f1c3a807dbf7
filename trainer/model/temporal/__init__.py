"""The modules between frames: difference tokens (TDB) and token alignment (TAB)."""
