"""The built-in motions.

A name says what the camera does: under `pan_left` the picture's content moves right.
"""
