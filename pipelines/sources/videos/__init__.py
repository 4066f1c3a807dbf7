"""Where videos and their captions come from: MSR-VTT, MSVD, VATEX, and a user's own table."""
