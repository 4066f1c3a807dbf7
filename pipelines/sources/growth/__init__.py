"""How a source is planned again after it has grown: what an output knows of it stays, the rest follows."""
