"""A picture and a trajectory become frames."""
