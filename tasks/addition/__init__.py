"""A network learns to add, reading and writing one character at a time."""
