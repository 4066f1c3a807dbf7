"""The subject of a picture: where it is, by boxes or by saliency, and how much of it a view holds."""
