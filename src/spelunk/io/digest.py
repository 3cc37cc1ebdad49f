"""BLAKE2b without OpenSSL: to import ``hashlib`` takes as long as ten modules of Spelunk, and a search needs no more."""

try:
    from _blake2 import blake2b
except ImportError:  # an interpreter that keeps it elsewhere
    from hashlib import blake2b

__all__ = ["blake2b"]
