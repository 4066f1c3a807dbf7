"""The studio: a web page on this machine."""
