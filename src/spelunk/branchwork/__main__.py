"""``python -m spelunk.branchwork``: the commands of ``spelunk branchwork``, as installed hooks call them."""

import sys

from spelunk.cli import main

sys.exit(main(["branchwork", *sys.argv[1:]]))
