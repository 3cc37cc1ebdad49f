"""The file types of ripgrep (``rg --type-list``) by their names, as Spelunk's languages.

A type of ripgrep is a list of globs, a language of Spelunk is what a file's name and head
say. Where ripgrep's type holds files of several languages, all of them are meant.
"""

from __future__ import annotations

from typing import Final

from spelunk.errors import UsageError

_TYPES: Final = """
amake make
cs csharp
cshtml html
css css scss
cython python
docker dockerfile
dts devicetree
ebuild bash
edn clojure
elixir elixir heex
erb embeddedtemplate
gradle groovy
h c cpp
hbs html
hs haskell
html html
java java
jinja html
jl julia
js javascript tsx vue
jupyter notebook
lisp commonlisp elisp scheme
make make
man troff
md markdown
mk make
ml ocaml
msbuild xml
objcpp objc
ocaml ocaml ocaml_interface
pod perl
protobuf proto
ps powershell
purs purescript
py python
qml qmljs
sass sass scss
sh bash
sv verilog
svg xml
tex latex bibtex
tf terraform hcl
ts typescript tsx
txt text
vb visualbasic
vimscript vim
wiki wikitext
zsh bash
"""
"""Names of ripgrep 14 and 15 that are no name or alias of a language here, or mean more than it; those that
both have in common (``go``, ``rust``, ``yaml``, …) are not listed."""

TYPES: Final = {
    name: tuple(languages.split())
    for name, _, languages in (row.partition(" ") for row in _TYPES.strip().split("\n"))
}


def languages_of_type(name: str) -> tuple[str, ...]:
    """The languages of a type: one of ripgrep's names, or any name or alias of a language.

    Raises:
        UsageError: There is none of that name; names the nearest.
    """
    from spelunk.files import languages

    lowered = name.strip().lower()
    if lowered in TYPES:
        return TYPES[lowered]
    known = languages.canonical(lowered)
    if known is not None:
        return (known,)
    import difflib

    near = difflib.get_close_matches(lowered, [*TYPES, *languages.LANGUAGES], 1)
    hint = f"did you mean {near[0]}?" if near else "`spelunk search --type-list` has all"
    raise UsageError(f"unknown type {name!r}; {hint}; other files are chosen by -g, e.g. -g '*.conf'")


def type_list() -> str:
    """Every type on a line of its own: its name, its languages if they differ, and their extensions."""
    from spelunk.files.language_tables import EXTENSIONS, NAMES
    from spelunk.files.languages import LANGUAGES

    patterns: dict[str, list[str]] = {}
    for table, form in ((EXTENSIONS, "*.{}"), (NAMES, "{}")):
        for row in table.strip().split("\n"):
            language, *some = row.split()
            patterns.setdefault(language, []).extend(map(form.format, some))
    lines = []
    for name in sorted({*TYPES, *LANGUAGES}):
        meant = TYPES.get(name, (name,))
        globs = ", ".join(glob for language in meant for glob in patterns.get(language, ()))
        of = "" if meant == (name,) else f" ({', '.join(meant)})"
        lines.append(f"{name}{of}: {globs}".rstrip(": "))
    return "\n".join(lines) + "\n"
