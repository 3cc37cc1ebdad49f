"""``spelunk list``: all indexes known here."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print every known workspace."""
    from spelunk.cli.output import SCHEMA_VERSION, note, put, put_json
    from spelunk.io.cache_dir import index_home

    rows = workspaces()
    if args.json:
        put_json({"schema_version": SCHEMA_VERSION, "home": index_home(), "workspaces": rows})
    elif rows:
        put(as_text(rows))
    else:
        note(args, "no indexes yet; `spelunk index` in a folder makes one")
    return 0


def workspaces() -> list[dict[str, Any]]:
    """Every known workspace as plain values; a root that is gone has the state ``vanished``."""
    from spelunk.config import DEFAULTS
    from spelunk.errors import ConfigError, WorkspaceError
    from spelunk.index import Index
    from spelunk.workspace.locate import places

    rows = []
    for place in places():
        detail = ""
        try:
            index = Index.open(place.root, index_dir=place.directory)
            gone = not os.path.isdir(place.root)
        except WorkspaceError:
            index, gone = Index(place.root, place.directory, DEFAULTS), True
        except ConfigError as error:
            index, gone, detail = Index(place.root, place.directory, DEFAULTS), False, str(error)
        status = index.status(look=not gone)
        rows.append(
            {
                "root": place.root,
                "directory": place.directory,
                "state": "vanished" if gone else status.state,
                "detail": detail or status.detail,
                "files": status.files,
                "chunks": status.chunks,
                "bytes": status.bytes,
                "generation": status.generation,
                "published": round(status.published, 3),
            }
        )
    return rows


def as_text(rows: list[dict[str, Any]]) -> str:
    """A table: state, files, size, age, root."""
    from spelunk.cli.output import age, short
    from spelunk.config import format_size
    from spelunk.io.printable import printable_name

    cells = [("STATE", "FILES", "SIZE", "AGE", "WORKSPACE")]
    for row in rows:
        since = age(time.time() - row["published"]) if row["published"] else "-"
        cells.append(
            (row["state"], f"{row['files']:,}", format_size(row["bytes"]), since, short(row["root"]))
        )
    widths = [max(len(cell[i]) for cell in cells) for i in range(4)]
    out = [
        f"{c[0]:<{widths[0]}}  {c[1]:>{widths[1]}}  {c[2]:>{widths[2]}}  {c[3]:>{widths[3]}}  {printable_name(c[4])}"
        for c in cells
    ]
    vanished = sum(1 for row in rows if row["state"] == "vanished")
    if vanished:
        out.append(f"{vanished} of these folders are gone; `spelunk clear PATH` deletes an index")
    return "\n".join(out) + "\n"
