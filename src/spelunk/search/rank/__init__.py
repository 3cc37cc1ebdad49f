"""Ranking: candidates and their facts in, an order and its reasons out."""
