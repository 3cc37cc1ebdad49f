"""Measurements on this machine and a folder of yours: ``spelunk bench``.

Each module here measures one thing, the way a user meets it: through the
command in a process of its own, or through the Python API. Samples and indexes
lie in a temporary folder; the workspace and its index are only read.
"""
