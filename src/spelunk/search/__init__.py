"""Queries and their answers."""
