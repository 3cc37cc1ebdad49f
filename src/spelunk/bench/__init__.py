"""Benchmarks of this machine on a folder: ``spelunk bench``.

Each module measures one thing as a user meets it: the command in a process of
its own, or the Python API. Samples and indexes lie in a temporary folder; the
workspace and its index are only read.
"""
