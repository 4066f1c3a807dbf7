"""What training changes at random in clips: crop, flip, colours, and the patches that the tower sees."""
