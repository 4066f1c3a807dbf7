"""Models and indexes in the layouts of other libraries.

These are open_clip, Hugging Face's CLIP, CLIP2Video, Parquet, NumPy and faiss.
"""
