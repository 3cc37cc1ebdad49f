"""Queries for references and imports, one table for each language.

A table's patterns are Tree-sitter queries. The name of a capture says what the
node is:

- ``call``, ``type``, ``inherit``, ``decorate``, ``macro``, ``write``: a reference with the role of that
  name. The node holds the receiver and the name (``self.writer.flush``), and nothing after the name but
  type arguments.
- ``bare``: a name without a receiver that is assigned to. It is a ``write`` if the file says that the name
  is a module's variable.
- ``global``: the name of a module's variable, or names that a statement declares to be such.
- ``import``: a statement whose imports the table's function ``imports`` reads from its text.

Conventions for :class:`spelunk.chunk.relation.Import`: what names a type or a function directly has it as
``name`` (``import a.b.C`` of Java: module ``a.b``, name ``C``; ``use a::b`` of Rust: module ``a``, name
``b``); what brings all names of a module or a file has ``*`` (``#include``, C#'s ``using``, Ruby's
``require``, Swift's ``import``, Haskell's unqualified ``import``); what brings the module under its own name
or an alias has "" (``import a.b`` of Python, Go's imports, ``local x = require "y"``).
"""
