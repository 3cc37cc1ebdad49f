"""``spelunk why``: the rule, file and line that leave a path out, or that and how it is indexed."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spelunk.index import Index


_PENDING: Final = {
    "verdict": "pending",
    "detail": "no rule leaves it out: the next `spelunk index` takes it in",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", help="a file or folder")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print what became of the path and why; 1 where it is not indexed."""
    from spelunk.cli.output import put, put_json
    from spelunk.workspace.targets import file_in, open_target

    target = file_in(args.path, args.index_dir)
    with open_target(args, target) as index:
        found = explain(index, target.within[0] if target.within else ".")
    if args.json:
        put_json(found)
    else:
        put(as_text(found))
    return 0 if found["verdict"] == "indexed" else 1


def explain(index: Index, path: str) -> dict[str, Any]:
    """What the rules say of a path, and what the index knows of it."""
    from spelunk.cli.output import SCHEMA_VERSION
    from spelunk.types import Flag

    rules = index.why(path)
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "root": index.root,
        "path": rules.path,
        "verdict": rules.verdict,
        "rule": rules.rule,
        "source": rules.source,
        "line": rules.line,
        "detail": rules.detail,
        "language": rules.language,
        "flags": [flag.name.lower() for flag in Flag if flag in rules.flags and flag.name],
        "index": None,
    }
    if rules.verdict in ("indexed", "skipped"):
        found.update(_known(index, rules.path, rules.verdict))
    return found


def _known(index: Index, path: str, verdict: str) -> dict[str, Any]:
    """What the manifest adds: the reader's verdict, and how the file is indexed."""
    from spelunk.errors import IndexMissingError
    from spelunk.store.manifest import Manifest
    from spelunk.types import Failed, Flag, Skipped

    try:
        manifest = Manifest(index.directory)
    except IndexMissingError:
        return _PENDING if verdict == "indexed" else {}
    try:
        other = manifest.unindexed_file(path)
        if isinstance(other, Skipped):
            return {"verdict": "skipped", "rule": other.reason, "detail": other.detail}
        if isinstance(other, Failed):
            return {"verdict": "failed", "rule": other.stage, "detail": other.error}
        file = manifest.file(path)
        if file is None:
            folder = os.path.isdir(os.path.join(index.root, path))
            return {} if folder or verdict != "indexed" else _PENDING
        kinds = Counter(chunk.kind for chunk in manifest.chunks_of(file))
        about = {
            "language": file.language,
            "encoding": file.encoding,
            "lines": file.lines,
            "chunks": file.chunks,
            "kinds": dict(kinds.most_common()),
            "generation": file.generation,
        }
        flags = [flag.name.lower() for flag in Flag if flag in file.flags and flag.name]
        return {"language": file.language, "flags": flags, "index": about}
    finally:
        manifest.close()


def as_text(found: dict[str, Any]) -> str:
    """The explanation for people."""
    from spelunk.cli.output import several
    from spelunk.io.printable import printable, printable_name

    out = [f"{printable_name(found['path'])}: {found['verdict']}"]
    if found["rule"] and found["source"]:
        place = f"{found['source']}:{found['line']}" if found["line"] else found["source"]
        out.append(f"  rule: {printable(found['rule'])}  ({printable_name(place)})")
    elif found["rule"]:
        out.append(f"  rule: {printable(found['rule'])}")
    if found["detail"]:
        out.append(f"  {printable(found['detail'])}")
    about = found["index"]
    if about:
        kinds = ", ".join(f"{n} {kind}" for kind, n in about["kinds"].items())
        out.append(
            f"  {about['language']}, {about['encoding']}, {several(about['lines'], 'line')},"
            f" {several(about['chunks'], 'chunk')} ({kinds}), since generation {about['generation']}"
        )
    elif found["language"]:
        out.append(f"  language: {found['language']}")
    if found["flags"]:
        out.append(f"  flags: {', '.join(found['flags'])}")
    return "\n".join(out) + "\n"
