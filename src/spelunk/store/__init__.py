"""The stores: manifest (which decides what exists), full text, vectors, and the writer's lock."""
