"""The stores: manifest (the truth), full text, vectors, and the lock over them."""
