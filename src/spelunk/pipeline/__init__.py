"""Phase 1 in worker processes, phase 2 in one writer, and what bounds them."""
