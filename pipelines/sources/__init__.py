"""Where image-caption pairs come from: one class a kind, each with `plan` and `read`."""
