"""Branchwork documents: parsing, editing and checking."""
