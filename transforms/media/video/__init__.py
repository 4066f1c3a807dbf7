"""Videos: MP4 written and read back, files of any kind read within bounds, frames picked from them."""
