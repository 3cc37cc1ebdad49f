"""``spelunk why``: the rule, file and line that leave a path out, or how the path is indexed."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", help="a file or folder")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print the explanation of the path; 1 where it is not indexed."""
    from spelunk.cli.output import put, put_json
    from spelunk.cli.targets import open_target
    from spelunk.present.objects import explanation_text, to_json
    from spelunk.workspace.targets import file_in

    target = file_in(args.path, args.index_dir)
    with open_target(args, target) as index:
        explanation = index.why(target.within[0] if target.within else ".")
    if args.json:
        put_json(to_json(explanation, root=index.root))
    else:
        put(explanation_text(explanation))
    return 0 if explanation.verdict == "indexed" else 1
