#!/bin/sh
# Index a folder of the head as a Ray job. Usage: submit.sh HEAD FOLDER [FLAGS OF spelunk index]
# HEAD is the address of the cluster's dashboard, e.g. http://10.0.0.5:8265. Needs `pip install 'ray[default]'`.
set -eu
head=${1:?the address of the dashboard, e.g. http://10.0.0.5:8265} folder=${2:?the folder to index, a path on the head}
shift 2
exec ray job submit --address "$head" -- spelunk index "$folder" --executor ray --mode parallel --wait "$@"
