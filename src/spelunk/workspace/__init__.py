"""Index directories and the state of an index."""
