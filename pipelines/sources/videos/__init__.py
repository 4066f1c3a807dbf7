"""Where videos and their captions come from: MSR-VTT, MSVD, VATEX, and a table of one's own."""
