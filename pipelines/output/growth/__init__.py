"""The inputs that an output was planned from, and the plan of a source that has grown since."""
