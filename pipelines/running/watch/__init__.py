"""Following a run from its submission to its end: progress, signals, Ctrl-C."""
