"""Measures of ranking quality."""
