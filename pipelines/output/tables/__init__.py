"""The tables of an output: planned in parts by range of tasks, folded from records, moved to their places."""
