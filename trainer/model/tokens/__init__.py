"""Captions to the token ids that a text tower reads."""
