"""``python -m spelunk``: the console script, with the current folder taken off the module search path.

Python puts that folder first, so that a ``json.py`` in it would be imported
instead of the standard library's. The interpreter itself still imports the
package ``spelunk`` from there if there is one.
"""

import os
import sys

try:
    folder = os.getcwd()
except OSError:  # it was deleted
    folder = ""
if not sys.flags.safe_path and sys.path[:1] in ([""], [folder]):
    del sys.path[0]

from spelunk.cli import script

script()
