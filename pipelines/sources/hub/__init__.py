"""Hugging Face data sets: on disk as Arrow, Parquet or a folder of pictures, and by name from the hub."""
