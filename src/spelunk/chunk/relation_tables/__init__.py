"""Queries for references and imports, one table for each language.

A table's patterns are Tree-sitter queries. The name of a capture says what the
node is:

- ``call``, ``type``, ``inherit``, ``decorate``, ``macro``, ``write``: a reference with the role of that
  name. The node holds the receiver and the name (``self.writer.flush``), and nothing after the name but
  type arguments.
- ``bare``: a name without a receiver that is assigned to. It is a ``write`` if the file says that the name
  is a module's variable.
- ``global``: the name of a module's variable, or names that a statement declares to be such.
- ``method``: the name of a call whose receiver is read backwards from it, where no node holds both.
- ``element``: a call, unless the name begins with a small letter (an element of HTML).
- ``maybe``: a name alone, which is a call unless a capture ``local`` of the file has the same name.
- ``quoted``: types inside a string.
- ``fragment``: code that is not parsed (the body of a macro); what looks like a call in it is one.
- ``load``: a word that loads a module like a call, but is none (``import("x")``).
- ``region``: a declaration of types; a ``call`` inside it is a ``type``.
- ``skip``: a name that another pattern takes for a reference, but that is a definition's.
- ``parameter``: a type parameter; types of that name are left out.
- ``import``: a statement whose imports the table's function ``imports`` reads from its text.

Conventions for :class:`spelunk.chunk.relation.Import`: what names a type or a function directly has it as
``name`` (``import a.b.C`` of Java: module ``a.b``, name ``C``; ``use a::b`` of Rust: module ``a``, name
``b``); what brings all names of a module or a file has ``*`` (``#include``, C#'s ``using``, Ruby's
``require``, Swift's ``import``, Haskell's unqualified ``import``); what brings the module under its own name
or an alias has "" (``import a.b`` of Python, Go's imports, ``local x = require "y"``).
"""
