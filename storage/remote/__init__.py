"""Requests to object stores: listings page by page, uploads in blocks, conditional writes."""
