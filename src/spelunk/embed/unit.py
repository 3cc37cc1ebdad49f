"""Vectors at unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spelunk.embed.protocol import Matrix


def unit_rows(matrix: Matrix) -> Matrix:
    """Bring the rows of ``(n, dimensions)`` to unit length, in place; a row of zeros stays one."""
    import numpy as np

    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    norms[~(norms > 0)] = 1
    matrix /= norms[:, None]
    return matrix
