"""Spelunk finds things in code and documents."""

from __future__ import annotations

__version__ = "0.1.0"
