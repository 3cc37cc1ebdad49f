"""The states of an index by name, and what each one calls for.

=================  ======================================================
missing            nothing was indexed yet: ``index`` builds it
corrupt            a store is damaged: ``check --repair``, or ``index --rebuild``
format-too-new     written by a newer Spelunk: upgrade, or ``index --rebuild``
options-changed    other contents are asked for: ``index`` redoes every file; or
                   only another embedder: it makes the vectors again
behind             files changed, a run was interrupted, or vectors are pending:
                   ``index`` catches up
current            nothing to do
=================  ======================================================
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from spelunk import embed
from spelunk.config import Options, contents_of
from spelunk.versions import CHUNKER_VERSION, READER_VERSION, TOKENS_VERSION

MISSING: Final = "missing"
CORRUPT: Final = "corrupt"
TOO_NEW: Final = "format-too-new"
OPTIONS_CHANGED: Final = "options-changed"
BEHIND: Final = "behind"
CURRENT: Final = "current"


def fingerprint(options: Options) -> str:
    """16 hex digits over all that changes what an index holds, and nothing else.

    Discovery settings (``include``, ``hidden``, ...) decide which files there
    are, which every walk finds anew; they are not part of it. Nor is the embedder:
    another one makes other vectors of the same contents, which no file has to
    be read for. It is held against the manifest's ``embedder`` (:func:`embeds`).
    """
    values = {
        k: v for k, v in contents_of(options).items() if k not in ("include", "exclude", "hidden", "embedder")
    }
    values |= {
        "chunker": CHUNKER_VERSION,
        "tokens": TOKENS_VERSION,
        "reader": READER_VERSION,
    }
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def embeds(stored: object, options: Options) -> bool:
    """Are the vectors of an index, by the embedder's id it has stored, those that are asked for?"""
    return stored == embed.identify(options)


def walk_fingerprint(options: Options) -> str:
    """What decides which files there are, for the quick look before a search."""
    sends = options.embedder.startswith("api:")  # then .spelunkignore brings no hidden name back
    return json.dumps([options.include, options.exclude, options.hidden, options.max_file_size, sends])
