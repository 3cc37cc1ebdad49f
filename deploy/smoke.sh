#!/bin/sh
# Try a Qdrant cluster: index a small folder, search it, check it, move it out and in again, delete it.
# Usage: deploy/smoke.sh qdrant://HOST:6334[,HOST:6334...]
# The collection spelunk-smoke is created with 2 copies of each shard where SPELUNK_STORE_REPLICAS is not set.
set -eu
address="${1:?usage: smoke.sh qdrant://HOST:6334[,HOST:6334...]}/spelunk-smoke"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export SPELUNK_HOME="$place/indexes" SPELUNK_STORE="$address"
export SPELUNK_STORE_REPLICAS="${SPELUNK_STORE_REPLICAS:-2}"
mkdir "$place/tree"
printf 'def flush_queue():\n    """Write all batches that wait."""\n    return 1\n' >"$place/tree/queue.py"
printf '# Zeppelins\n\nA zeppelin drops ballast to rise.\n' >"$place/tree/zeppelin.md"

spelunk index "$place/tree"
spelunk search --json "what drops ballast" "$place/tree" | grep -q zeppelin.md
spelunk search --json sym:flush_queue "$place/tree" | grep -q queue.py
printf '# Zeppelins\n\nA balloon has no engine.\n' >"$place/tree/zeppelin.md"
spelunk search --json "balloon engine" "$place/tree" | grep -q zeppelin.md
spelunk check "$place/tree"
spelunk migrate --to local "$place/tree"
SPELUNK_STORE=local spelunk search --json sym:flush_queue "$place/tree" | grep -q queue.py
SPELUNK_STORE=local spelunk migrate --to "$address" "$place/tree"
spelunk check "$place/tree"
spelunk clear --yes "$place/tree"
echo "smoke: all is well with $address"
