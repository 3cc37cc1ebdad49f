"""Tokens, regular expressions and other work on text alone."""
