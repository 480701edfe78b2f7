"""A network learns to write, one character at a time, from a text."""
