"""Clips and pictures as a person looks at them: sheets, moving pictures, camera paths."""
