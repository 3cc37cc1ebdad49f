"""Where the stores lie in an index directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spelunk.store.manifest import Manifest

VECTORS: Final = "vectors"


def lexical_name(manifest: Manifest) -> str:
    """Folder of the full-text index that this generation uses."""
    return f"lexical-{int(manifest.meta('lexical', 1))}"
