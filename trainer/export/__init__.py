"""Models and indexes in the layouts of other libraries: open_clip, Hugging Face's CLIP, CLIP2Video, Parquet,
NumPy and faiss.
"""
