"""``python -m spelunk``."""

from spelunk.cli import script

script()
