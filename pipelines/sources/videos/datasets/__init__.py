"""Published data sets of videos, one class each: their files as their authors publish them."""
