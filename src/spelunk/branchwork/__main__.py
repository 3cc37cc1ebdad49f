"""``python -m spelunk.branchwork``."""

import sys

from spelunk.branchwork.cli import main

sys.exit(main())
