"""Commands on an output: what it holds, what failed in it, and what makes it whole."""
