"""The stack of a branch, and where it is read from."""
