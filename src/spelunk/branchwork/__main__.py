"""``python -m spelunk.branchwork``: the commands of ``spelunk branchwork``, as installed hooks call them."""

import sys

from spelunk.__main__ import module

sys.argv.insert(1, "branchwork")
module()
