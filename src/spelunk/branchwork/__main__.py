"""``python -m spelunk.branchwork``: the commands of ``spelunk branchwork``, as installed hooks call them."""

import sys

sys.argv.insert(1, "branchwork")

import spelunk.__main__  # noqa: E402, F401  it takes the current folder off the search path, and runs
