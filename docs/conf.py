"""How the guide is built: `make docs`."""

project = "Spelunk"
author = "The Spelunk authors"
copyright = "2026, The Spelunk authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["workflows"]
html_theme = "furo"
html_title = "Spelunk"
html_copy_source = False
html_show_sphinx = False
myst_heading_anchors = 4
# Links to pages outside docs/ lead somewhere in the repository only; tests/test_docs.py checks all links.
suppress_warnings = ["myst.xref_missing"]
