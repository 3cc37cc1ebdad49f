"""Reading a drawn stack, in any of the styles that were ever written."""

from __future__ import annotations

import re
from typing import Any, Final

CURRENT: Final = "◉"
OTHER: Final = "◯"
_GLYPHS: Final = "◉◯●○◎⦿•*"
_PR = re.compile(r"#(\d+)")


def parse_drawing(lines: list[str]) -> list[dict[str, Any]]:
    """The branches of a drawn stack, in any of the styles that were ever written."""
    found: list[dict[str, Any]] = []
    for line in lines:
        text = line.strip(" │├└─┬┴┘┐┤|\t\r\n")
        if not text or text.startswith("#"):
            continue
        glyph = text[0] if text[0] in _GLYPHS else ""
        name, _, rest = text.lstrip(_GLYPHS).strip().partition(" ")
        number = _PR.search(rest)
        folded = rest.casefold()
        states = [s for s in ("merged", "closed", "waiting") if s in folded]
        found.append(
            {
                "name": name,
                "pr": int(number.group(1)) if number else None,
                "state": states[0] if states else "",
                "current": glyph in ("◉", "◎", "⦿") or "👈" in rest,
            }
        )
    return found
