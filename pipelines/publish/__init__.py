"""Send a finished output to the Hugging Face hub: which files, what is there already, and the upload."""
