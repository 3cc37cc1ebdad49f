"""``spelunk eval``: how good the answers to labelled queries are."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spelunk.evaluate.compare import Comparison
    from spelunk.evaluate.measures import Evaluation, Score


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    from spelunk.cli.commands.search import MODES

    parser.add_argument("queries", metavar="QUERIES", help="labelled queries, one JSON object a line")
    parser.add_argument("--corpora", metavar="DIR", required=True, help="the folder with the corpora")
    parser.add_argument(
        "-m", "--mode", metavar="MODE", choices=MODES, default="hybrid", help=", ".join(MODES)
    )
    parser.add_argument("--out", metavar="FILE", help="save the results, to compare with later")
    parser.add_argument("--against", metavar="FILE", help="compare with the results of an earlier run")
    parser.add_argument("--no-refresh", action="store_true", help="search the indexes as they are")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Search all queries, and print the measures."""
    from spelunk.cli.output import note, put, put_json
    from spelunk.evaluate.compare import compare, load_results, save_results
    from spelunk.evaluate.measures import evaluate
    from spelunk.evaluate.run import load_queries, search_all
    from spelunk.present.objects import SCHEMA_VERSION

    queries = load_queries(args.queries)
    earlier = load_results(args.against) if args.against else None
    results, took = search_all(
        queries,
        args.corpora,
        mode=args.mode,
        index_dir=args.index_dir,
        refresh=not args.no_refresh,
        progress=lambda repo: note(args, repo or args.corpora) if args.verbose else None,
    )
    if args.out:
        save_results(args.out, results)
    measured = evaluate(queries, results)
    compared = None
    if earlier is not None:
        compared = compare(queries, measured, evaluate(queries, earlier))
    median = sorted(took)[len(took) // 2]
    if args.json:
        from msgspec.structs import asdict

        put_json(
            {
                "schema_version": SCHEMA_VERSION,
                "mode": args.mode,
                "queries": len(queries),
                "median_ms": median,
                **measured.as_dict(),
                "against": asdict(compared) if compared else None,
            }
        )
    else:
        put(as_text(measured, compared, median))
    return 0


def as_text(measured: Evaluation, compared: Comparison | None, median_ms: float) -> str:
    """The measures for people."""
    out = [
        f"{'':24} {'queries':>7} {'NDCG@10':>8} {'R@10':>7} {'MRR@10':>7}",
        _row("overall", measured.overall),
    ]
    out.append(f"{'corpora weighed alike':24} {'':7} {measured.repo_macro:8.4f}")
    groups: list[tuple[str, Mapping[str, Score]]] = [
        ("category", measured.by_category),
        ("language", measured.by_language),
        ("corpus", measured.by_repo),
    ]
    for name, group in groups:
        if len(group) > 1:
            out += ["", f"by {name}", *(_row(key or "(none)", s) for key, s in group.items())]
    out += ["", f"median search: {median_ms:.1f} ms"]
    if compared:
        c = compared
        out.append(
            f"against the earlier run: NDCG@10 {c.difference:+.4f}, 95 % [{c.low:+.4f}, {c.high:+.4f}] over {c.unit};"
            f" queries {c.better} better, {c.worse} worse;"
            f" corpora {c.corpora_better} better, {c.corpora_worse} worse"
        )
    return "\n".join(out) + "\n"


def _row(name: str, s: Score) -> str:
    from spelunk.io.printable import printable

    return f"{printable(name)[:24]:24} {s.queries:7d} {s.ndcg:8.4f} {s.recall:7.4f} {s.mrr:7.4f}"
