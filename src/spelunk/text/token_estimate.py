"""Estimate how many tokens a text costs a language model, without its tokeniser."""

from __future__ import annotations

import re
from typing import Final

_PIECES: Final = re.compile(r"([A-Z]?[a-z]+)|([A-Z]+)|([^\S\n\t]{2,})|(\t+)|([^\x00-\x7f]+)|([^ ])")


def token_estimate(text: str) -> int:
    """Tokens of ``text``, rather too many than too few.

    Byte-pair vocabularies keep a common word in one token, split a rare one
    about every four letters, split capitals and digits more finely, and merge
    some punctuation and a blank before a word. So this counts a token for each
    four letters of a word of one case, each two capitals, each digit,
    punctuation mark and line end, each two tabs and sixteen blanks in a row, and
    for a character outside ASCII one less than its bytes in UTF-8. Merged
    punctuation only makes it too high. Text without words (base64, random
    letters of one case) can cost more than the estimate.

    The estimate of texts joined at line ends or punctuation is the sum of theirs.
    """
    total = 0
    for word, capitals, blanks, tabs, foreign, _single in _PIECES.findall(text):
        if word:
            total += (len(word) + 3) // 4
        elif capitals:
            total += (len(capitals) + 1) // 2
        elif blanks:
            total += (len(blanks) + 15) // 16
        elif tabs:
            total += (len(tabs) + 1) // 2
        elif foreign:
            total += len(foreign.encode("utf-8", "replace")) - len(foreign)
        else:
            total += 1
    return total
