"""Index a folder in a memory cgroup set to the cap: `python -m benchmarks.capped FOLDER --memory-limit 1GiB [flags]`.

The kernel kills what goes over; prints the peak it counted, with and without
page cache, and how many processes it killed. Needs a memory cgroup that this
user may divide (root, or a delegated one).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from tests import cgroup

from spelunk.config import parse_size


def main() -> int:
    folder, *flags = sys.argv[1:]
    limit = parse_size(flags[flags.index("--memory-limit") + 1])
    above = cgroup.parent()
    if above is None:
        print("no memory cgroup can be made here", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as place:
        argv = [
            sys.executable,
            "-m",
            "spelunk",
            "index",
            folder,
            "--index-dir",
            f"{place}/ix",
            "--json",
            *flags,
        ]
        done = cgroup.run(above, argv, limit, dict(os.environ))
    report = json.loads(done.stdout) if done.stdout else {}
    mib = 2**20
    print(
        json.dumps(
            {
                "folder": os.path.basename(os.path.realpath(folder)),
                "flags": flags,
                "exit": done.code,
                "files": report.get("files"),
                "chunks": report.get("chunks"),
                "workers": report.get("workers"),
                "seconds": round(report.get("seconds", 0), 1),
                "cap_mib": round(limit / mib),
                "peak_anonymous_mib": round(done.peak_anonymous / mib),
                "peak_with_page_cache_mib": round(done.peak / mib),
                "reported_mib": round(report.get("peak_rss_bytes", 0) / mib),
                "oom_kills": done.oom_kills,
            }
        )
    )
    if done.code:
        print(done.stderr, file=sys.stderr)
    return done.code


if __name__ == "__main__":
    sys.exit(main())
