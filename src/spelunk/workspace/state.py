"""The states of an index, the action each one calls for, and the fingerprints that decide it.

=================  ======================================================
missing            nothing was indexed yet: ``index`` builds it
corrupt            a store is damaged: ``check --repair``, or ``index --rebuild``
format-too-new     written by a newer Spelunk: upgrade, or ``index --rebuild``
options-changed    options or versions that change contents differ: ``index`` reads every
                   file again; if only the embedder differs, it makes the vectors again
behind             files changed, a run was interrupted, or vectors are pending:
                   ``index`` catches up
current            nothing to do
=================  ======================================================
"""

from __future__ import annotations

import json
from typing import Final

from spelunk import embed
from spelunk.config import Options, contents_of
from spelunk.io.digest import blake2b
from spelunk.versions import CHUNKER_VERSION, READER_VERSION, RELATIONS_VERSION, TOKENS_VERSION

MISSING: Final = "missing"
CORRUPT: Final = "corrupt"
TOO_NEW: Final = "format-too-new"
OPTIONS_CHANGED: Final = "options-changed"
BEHIND: Final = "behind"
CURRENT: Final = "current"

ACTIONS: Final = {
    MISSING: "`spelunk index` builds it",
    CORRUPT: "`spelunk check --repair` repairs it, `spelunk index --rebuild` starts over",
    TOO_NEW: "upgrade Spelunk, or start over with `spelunk index --rebuild`",
    OPTIONS_CHANGED: "`spelunk index` reads every file again",
    BEHIND: "`spelunk index` catches up; a search does so by itself",
    CURRENT: "",
}
"""What to do in each state."""


def fingerprint(options: Options) -> str:
    """Hash the options and versions that change the contents of an index: 16 hex digits.

    Discovery settings (``include``, ``hidden``, ...) are not part of it: they decide
    which files there are, and every walk finds those again. Neither is the embedder:
    another one makes other vectors of the same contents, for which no file is read.
    The manifest stores its id apart (:func:`embeds`).
    """
    values = {
        k: v for k, v in contents_of(options).items() if k not in ("include", "exclude", "hidden", "embedder")
    }
    values |= {
        "chunker": CHUNKER_VERSION,
        "tokens": TOKENS_VERSION,
        "relations": RELATIONS_VERSION,
        "reader": READER_VERSION,
    }
    return blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def embeds(stored: object, options: Options) -> bool:
    """Whether an index's stored embedder id is the one that the options name."""
    return stored == embed.identify(options)


def walk_fingerprint(options: Options) -> str:
    """The options that decide which files there are, as JSON; compared before every search."""
    sends = options.embedder.startswith("api:")  # then .spelunkignore brings no hidden name back
    return json.dumps([options.include, options.exclude, options.hidden, options.max_file_size, sends])
