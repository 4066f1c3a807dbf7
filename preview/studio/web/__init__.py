"""HTTP for the studio: which requests are answered, and how their bodies are read."""
