"""The lab's corpus: pictures and videos of named objects on named backgrounds, made from a seed."""
