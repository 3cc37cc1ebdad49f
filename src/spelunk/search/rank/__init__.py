"""Rank candidates by their signals; every summand of a score is kept as a reason."""
