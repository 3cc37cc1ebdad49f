"""Facts about languages that resolution needs: families, what a bare name reaches, words for the own object."""

from __future__ import annotations

from typing import Final

from spelunk.chunk.relation import Role

_FAMILIES: Final = {
    "c": "c cpp cuda arduino objc",
    "js": "javascript typescript tsx jsx vue svelte",
    "jvm": "java kotlin scala groovy",
    "beam": "elixir erlang",
}
FAMILY: Final = {language: family for family, row in _FAMILIES.items() for language in row.split()}
"""Languages whose files refer to one another's names; any other language is a family of its own."""

IMPLICIT_SELF: Final = frozenset({"c", "jvm", "csharp", "swift", "ruby", "dart"})
"""Families in which a bare name inside a class reaches the members of the class."""

SHARED_NAMES: Final = frozenset(
    {"c", "csharp", "swift", "ruby", "php", "lua", "julia", "r", "bash", "beam", "haskell", "dart"}
)
"""Families in which a bare name reaches files without naming where it comes from: headers, namespaces,
modules whose imports bring every name."""

WITH_IMPORT_RULES: Final = frozenset(
    {
        "python",
        "js",
        "go",
        "rust",
        "jvm",
        "c",
        "csharp",
        "ruby",
        "php",
        "swift",
        "lua",
        "beam",
        "haskell",
        "zig",
    }
)
"""Families whose imports are resolved to files, so that one without files leads out of the index."""

FIELDS_APART: Final = frozenset({"rust", "c", "jvm", "csharp", "go", "zig"})
"""Families in which ``x.name`` without a call is a field and hardly ever a method."""

CHAINED: Final = frozenset({"rust", "js", "jvm", "csharp", "swift", "php"})
"""Families in which chains of calls are long and go over several lines."""

KEYED: Final = frozenset({"rust", "go", "c"})
"""Families in which a literal of a type has its fields as keys, and a key is no variable."""

FOLDER_PACKAGES: Final = frozenset({"go", "jvm", "terraform"})
"""Families in which the files of a folder see one another's names."""

NOT_CODE: Final = frozenset(
    {
        "markdown", "rst", "text", "asciidoc", "org", "latex", "textile", "troff", "wikitext",
        "toml", "yaml", "json", "ini", "properties", "commit", "notebook", "xml", "html", "css", "scss", "csv",
    }
)  # fmt: skip
"""Languages whose definitions are headings and keys: asked for by name only where no code has it."""

OWN: Final = frozenset({"self", "this", "cls", "Self", "$this", "@", "static", "Me", "@self", "self.class"})
"""Receivers that are the object or the class around them."""

ABOVE: Final = frozenset({"super", "super()", "base", "parent", "Super"})
"""Receivers that are the base class."""

CLASSES: Final = frozenset(
    {
        "class", "interface", "trait", "struct", "enum", "object", "record", "protocol", "union",
        "type", "typedef", "mixin", "annotation", "contract",
    }
)  # fmt: skip
"""Kinds of definition that are types."""

EXTENDING: Final = frozenset({"impl", "extension"})
"""Kinds of definition that add members to a type of their name."""

CALLABLE: Final = frozenset({"function", "method", "constructor", "macro", "declaration", "block", "getter"})
"""Kinds of definition that can be called and hold calls."""

VALUES: Final = frozenset({"variable", "constant", "property", "field", "variant", "key"})
"""Kinds of definition that hold a value."""

ON_DEMAND: Final = frozenset({"field", "variant"})
"""Kinds of the definitions that are not stored, but read from the texts."""

_FITTING: Final = {
    Role.TYPE: CLASSES,
    Role.INHERIT: CLASSES,
    Role.MACRO: frozenset({"macro", "function"}),
    Role.CALL: CALLABLE | CLASSES,
    Role.DECORATE: CALLABLE | CLASSES,
    Role.WRITE: VALUES,
}


_ANY_MEMBERS: Final = """
add all any append apply as_ref at back begin call check chars clear clone close collect compare concat contains copy
count data default delete drop each empty end entries equals eq error exists extend filter find first flatMap flush
fold forEach format from front get getClass getName getOrDefault has hasNext hash hashCode include indexOf init
insert into into_iter invoke isEmpty is_empty is_none is_some iter iterator join key keys last len length lines lock
log map match max message min name new next ok open or_else parse peek pop print println push push_back put raise
read reduce release remove replace reset resolve reverse run send set size slice sort split start startsWith
status stop stream sub substring success sum swap test then to_owned to_s to_string toArray toList toLowerCase
toString trim type unlock unwrap update value valueOf values wait write
"""
_PYTHON_MEMBERS: Final = frozenset(
    name
    for kind in (str, bytes, list, dict, set, tuple, int, float)
    for name in dir(kind)
    if not name.startswith("_")
)
_OTHER_MEMBERS: Final = frozenset(_ANY_MEMBERS.split())


def is_common_member(name: str, family: str) -> bool:
    """Whether values of the language itself have a member of this name, so that the name says little."""
    return name in (_PYTHON_MEMBERS if family == "python" else _OTHER_MEMBERS)


def common_members() -> frozenset[str]:
    """Names of members that values of the languages themselves have."""
    return _PYTHON_MEMBERS | _OTHER_MEMBERS


def family_of(language: str) -> str:
    """The family of a language."""
    return FAMILY.get(language, language)


def fits(role: Role, kind: str) -> bool:
    """Whether a reference in a role usually means a definition of a kind."""
    kinds = _FITTING.get(role)
    return kinds is None or kind in kinds


def is_private(name: str, family: str, head: str) -> bool:
    """Whether a top-level name is seen in its own file alone.

    Args:
        name: The name.
        family: Of the file's language.
        head: The first line of the definition.
    """
    if family == "c":
        return head.lstrip().startswith("static ")
    return name.startswith("_") and not name.startswith("__") and family in ("python", "js", "dart")
