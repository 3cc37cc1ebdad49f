"""``spelunk trust``: let a workspace's settings file count in full, until it is edited."""

from __future__ import annotations

import argparse
import os


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="only print what trust would allow")
    what.add_argument("--revoke", action="store_true", help="end the trust")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print what the workspace's file may not set on its own, and record or end the trust in it."""
    from spelunk import trust
    from spelunk.cli.output import put, put_json
    from spelunk.config import load
    from spelunk.io.cache_dir import expand_user
    from spelunk.io.printable import printable
    from spelunk.present.objects import SCHEMA_VERSION
    from spelunk.present.phrases import short
    from spelunk.settings_files import digest_of, workspace_files
    from spelunk.workspace.locate import resolve_root

    root = resolve_root(os.path.realpath(expand_user(args.path)))
    files = list(workspace_files(root))
    digest = digest_of(files)
    widening = load(root, environ={}, trusted=False).untrusted
    before = bool(files) and trust.is_trusted(root, digest)
    after = before
    if args.revoke:
        trust.revoke(root)
        after = False
    elif not args.show and files:
        if digest_of(workspace_files(root)) == digest:  # what is recorded is what is printed
            trust.grant(root, digest)
        after = trust.is_trusted(root, digest)
    if args.json:
        put_json(
            {
                "schema_version": SCHEMA_VERSION,
                "root": root,
                "trusted": after,
                "settings": [{"name": u.name, "value": u.value, "source": u.source} for u in widening],
            }
        )
        return 0
    lines = [printable(f"{u.name} = {u.value}  ({short(u.source)})") for u in widening]
    state = "trusted" if after else "not trusted"
    nothing = "no settings file" if not files else "its settings file sets nothing that needs trust"
    put(
        "\n".join(
            [
                f"{printable(short(root))}: {state}{'' if widening else '; ' + nothing}",
                *(f"  {x}" for x in lines),
            ]
        )
        + "\n"
    )
    return 0
