"""Tables of what ``run.py`` measured.

python -m benchmarks.peers.table RAW.jsonl
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from typing import Any

Rows = dict[tuple[str, str], dict[str, list[dict[str, Any]]]]


def load(path: str) -> tuple[dict[str, str], dict[str, dict[str, Any]], Rows]:
    """Versions by tool, corpora, and the measurements by corpus and tool."""
    versions: dict[str, str] = {}
    corpora: dict[str, dict[str, Any]] = {}
    rows: Rows = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row["what"] in ("version", "missing"):
                versions[row["peer"]] = row.get("text") or f"not measured: {row['why']}"
            elif row["what"] == "corpus":
                corpora[row["corpus"]] = row
            else:
                rows[row["corpus"], row["peer"]][row["what"]].append(row)
    return versions, corpora, rows


def median(rows: list[dict[str, Any]], key: str, form: str) -> str:
    """The median of a figure, or a dash."""
    values = [row[key] for row in rows if key in row]
    return form.format(statistics.median(values)) if values else "–"


def main() -> None:
    """Print Markdown."""
    versions, corpora, rows = load(sys.argv[1])
    print("\n".join(f"- {name}: {text}" for name, text in versions.items()))
    for corpus, about in corpora.items():
        print(f"\n### {corpus}: {about['files']:,} files, {about['bytes'] / 2**20:.0f} MiB on disk\n")
        print(
            "| | index s | CPU s | first query s | peak MiB | on disk MiB | warm query s | its MiB | 50 edits to found s | NDCG@10 |"
        )
        print("|-|-|-|-|-|-|-|-|-|-|")
        for name in versions:
            found = rows.get((corpus, name))
            if not found:
                continue
            if "given up" in found and "warm query" not in found:
                print(f"| {name} | {found['given up'][0]['why']} | | | | | | | | |")
                continue
            edits = found["edits to found"]
            lost = "" if all(row["found"] for row in edits) else " (not found)"
            peak = [*found["index"], *found["first query"]]
            rounds: dict[int, float] = {}
            for row in peak:
                rounds[row["round"]] = max(rounds.get(row["round"], 0.0), row["memory"])
            print(
                f"| {name} | {median(found['index'], 'wall', '{:.2f}')} | {median(found['index'], 'cpu', '{:.2f}')}"
                f" | {median(found['first query'], 'wall', '{:.2f}')} | {statistics.median(rounds.values()):.0f}"
                f" | {statistics.median(row['bytes'] for row in found['disk']) / 2**20:.1f}"
                f" | {median(found['warm query'], 'wall', '{:.3f}')} | {median(found['warm query'], 'memory', '{:.0f}')}"
                f" | {median(edits, 'wall', '{:.2f}')}{lost} | {median(found['quality'], 'ndcg', '{:.3f}')} |"
            )


if __name__ == "__main__":
    main()
