#!/bin/sh
# Back up an index whose chunks are in a Qdrant collection, or restore it. docs/qdrant.md#backups
#   backup.sh create  BACKUP WORKSPACE COLLECTION http://NODE:6333...
#   backup.sh restore BACKUP WORKSPACE COLLECTION http://NODE:6333...
# BACKUP is a folder. All nodes are named, always in the same order. Needs spelunk, curl, flock and tar;
# SPELUNK_STORE and QDRANT_API_KEY are set as for `spelunk index`. The key is given to curl in a file.
set -eu
usage="usage: backup.sh create|restore BACKUP WORKSPACE COLLECTION http://NODE:6333..."
verb=${1:?$usage} backup=${2:?$usage} workspace=${3:?$usage} collection=${4:?$usage}
shift 4
[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
umask 077
mkdir -p "$backup"
secret=$(mktemp)
trap 'rm -f "$secret"' EXIT
if [ -n "${QDRANT_API_KEY:-}" ]; then printf 'header = "api-key: %s"\n' "$QDRANT_API_KEY" >"$secret"; fi
ask() { curl --config "$secret" --fail --silent --show-error "$@"; }
field() { python3 -c 'import json, sys; v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[k]
print(v)' "$1"; }
directory=$(spelunk status --json "$workspace" | field directory)

create() {
	node=0
	for url; do
		node=$((node + 1))
		answer=$(ask -X POST "$url/collections/$collection/snapshots?wait=true") || {
			echo "backup: no snapshot from $url; nothing was backed up" >&2
			exit 1
		}
		name=$(printf %s "$answer" | field result.name)
		ask -o "$backup/node-$node.snapshot" "$url/collections/$collection/snapshots/$name"
		ask -X DELETE -o /dev/null "$url/collections/$collection/snapshots/$name?wait=true"
	done
	tar -C "$directory" --exclude=writer.lock -cf "$backup/index.tar" .
	echo "backup: $node nodes and the index directory are in $backup"
}

moving() { ask "$1/collections/$collection/cluster" | python3 -c '
import json, sys; print(len(json.load(sys.stdin)["result"]["shard_transfers"]))'; }

settle() { # a snapshot that arrives while shards are moved ends their transfer, and a copy stays unused
	tries=600
	while [ "$(moving "$1")" != 0 ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "backup: $1 is still moving shards after 10 minutes" >&2; exit 1; }
		sleep 1
	done
}

restore() {
	node=0
	for url; do
		node=$((node + 1))
		ask -X POST -o /dev/null -F "snapshot=@$backup/node-$node.snapshot" \
			"$url/collections/$collection/snapshots/upload?priority=snapshot&wait=true"
		settle "$url"
	done
	find "$directory" -mindepth 1 ! -name writer.lock -delete
	tar -C "$directory" -xf "$backup/index.tar"
}

mkdir -p "$directory"
case $verb in
create) # no update writes meanwhile: the lock is that of `spelunk index`
	exec 9>>"$directory/writer.lock"
	flock 9
	create "$@"
	;;
restore)
	exec 9>>"$directory/writer.lock"
	flock 9
	restore "$@"
	exec 9>&-
	spelunk check --repair "$workspace"
	echo "backup: restored from $backup"
	;;
*)
	echo "$usage" >&2
	exit 2
	;;
esac
