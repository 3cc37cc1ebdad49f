"""Chunks in a Qdrant collection: points with terms and vectors, made visible by the local manifest."""
