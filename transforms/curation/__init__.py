"""Scores of captions and pictures, and the rules that drop samples by them. Pure functions."""
