"""Install the measured tools below a folder, each from its registry.

    python -m benchmarks.peers.install TOOLS [--zoekt SOURCES]

What cannot be had is told, and the others go on. ripgrep and codesearch come from the system's packages
(``apt-get install ripgrep codesearch``). ``--zoekt`` is a checkout of zoekt's sources, for a machine whose Go
module proxy does not have it. semble needs ``TOOLS/static-model``: a folder with a static model in
model2vec's format, because its own one is downloaded when it first runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ZOEKT = "github.com/sourcegraph/zoekt"


def tell(name: str, *command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> bool:
    """Run a command and say how it went."""
    ran = subprocess.run(command, env=os.environ | (env or {}), cwd=cwd, capture_output=True, text=True)
    lines = (ran.stderr or ran.stdout).strip().splitlines()
    print(f"{name}: {'done' if not ran.returncode else lines[-1] if lines else 'failed'}", flush=True)
    return not ran.returncode


def main() -> None:
    """Install."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tools", type=Path)
    parser.add_argument("--zoekt", type=Path)
    args = parser.parse_args()
    tools = args.tools.resolve()
    tools.mkdir(parents=True, exist_ok=True)
    for name, packages in (("semble", ["semble==0.7.*"]), ("baseline", ["bm25s"])):
        tell(f"{name}, environment", sys.executable, "-m", "venv", str(tools / name))
        tell(name, str(tools / name / "bin/pip"), "install", "-q", *packages)
    commands = [f"{ZOEKT}/cmd/zoekt-index", f"{ZOEKT}/cmd/zoekt"]
    if args.zoekt:
        (tools / "go").mkdir(exist_ok=True)
        if tell(
            "zoekt",
            "go",
            "build",
            "-o",
            str(tools / "go") + "/",
            "./cmd/zoekt-index",
            "./cmd/zoekt",
            cwd=args.zoekt,
        ):
            revision = subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=args.zoekt, capture_output=True, text=True
            )
            (tools / "zoekt.revision").write_text(revision.stdout)
    else:
        tell(
            "zoekt",
            "go",
            "install",
            *(f"{name}@latest" for name in commands),
            env={"GOBIN": str(tools / "go")},
        )
    tell("probe", "cargo", "install", "--root", str(tools / "cargo"), "probe-code")


if __name__ == "__main__":
    main()
