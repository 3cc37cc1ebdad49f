"""Types as code writes them: what a function's head says that it returns, and a type without its wrappers."""

from __future__ import annotations

import re
from typing import Final

_ARROW: Final = re.compile(
    r"->\s*\(?\s*(?:(?:\w+::)*(?:Result|Option|Promise|Box|Arc|Rc|Cow|Pin|Ref|RefMut|MutexGuard|RefCell|Mutex|RwLock|Cell)<|Optional\[|impl\s+|dyn\s+"
    r"|'\w+,?\s*|&\s*|mut\s+)*([\w.:]+)"
)
_RETURNS: Final = (
    _ARROW,
    re.compile(r"\)\s*:\s*(?:Promise<)?([\w.]+)"),
    re.compile(r"\)\s*\(?\*?([A-Z][\w.]*)"),
    re.compile(r"^(?:\w+\s+)*?([A-Z]\w*)(?:<[^>]*>)?\s*[*&]*\s+\w+\s*\("),
)
"""How a head names what its function returns: arrow, colon, Go's, Java's and C's."""
_RETURNS_IN_C: Final = re.compile(
    r"^(?:(?:static|inline|extern|const|struct|union|enum|volatile|__\w+)\s+)*(\w+)(?:\s+|\s*\*+\s*(?:const\s+)?)[\w:~]+\s*\("
)
_RETURNS_IN_GO: Final = re.compile(
    r"\)\s*\(?\s*(?:\w+\s+)?\*?((?:\w+\.)?[A-Za-z]\w*)[\w.\[\]]*\s*(?:,.*\))?\)?$"
)
_TYPE_NAME: Final = re.compile(r"[^\W\d][\w.:]*")
_WRAPPERS: Final = re.compile(
    r"^(?:Optional|Option|Result|Box|Arc|Rc|Promise|Final|ClassVar|Annotated|Type|type|Self|unique_ptr|shared_ptr|std::unique_ptr|std::shared_ptr)[\[<]"
)

RETURN_WHAT_THEY_GET: Final = frozenset(
    {
        "cast",
        "copy",
        "deepcopy",
        "replace",
        "reduce",
        "choice",
        "clone",
        "partial",
        "wraps",
        "assign",
        "freeze",
    }
)
"""Functions of libraries whose result has the type of an argument."""
SAME_VALUE: Final = frozenset(
    [
        "unwrap",
        "expect",
        "unwrap_or",
        "unwrap_or_else",
        "unwrap_or_default",
        "clone",
        "cloned",
        "copied",
        "as_ref",
        "as_mut",
        "as_deref",
        "as_deref_mut",
        "borrow",
        "borrow_mut",
        "by_ref",
        "to_owned",
        "into_inner",
        "ok",
        "map_err",
        "context",
        "with_context",
        "take",
        "lock",
        "read",
        "write",
        "iter_mut",
    ]
)
"""Methods of Rust's own types whose result has the members of what is inside: options, results, references."""
OWN_TYPES: Final = frozenset({"Self", "self", "static", "this", "typing.Self", "t.Self"})
"""Results that are of the type around the function."""
NO_TYPES: Final = frozenset(
    {"None", "Any", "object", "Self", "auto", "var", "any", "unknown", "void", "dynamic"}
)
BUILT_IN: Final = {
    "python": frozenset(
        [
            "str",
            "bytes",
            "bytearray",
            "list",
            "dict",
            "set",
            "frozenset",
            "tuple",
            "int",
            "float",
            "bool",
            "object",
            "open",
            "type",
            "range",
            "super",
        ]
    ),
    "js": frozenset(
        [
            "Object",
            "Array",
            "String",
            "Number",
            "Boolean",
            "JSON",
            "Math",
            "Promise",
            "Map",
            "Set",
            "WeakMap",
            "Symbol",
            "Date",
            "RegExp",
            "Error",
            "Reflect",
            "console",
            "process",
            "window",
            "document",
            "globalThis",
        ]
    ),
}
"""Values of a family's language itself that members are called on."""


def returned_type(head: str, language: str = "") -> str:
    """The type that the head of a function names as its result; "" where it names none."""
    if language == "rust":
        found = _ARROW.search(_behind_parameters(head))
        return found.group(1) if found is not None else ""
    if language in ("c", "go"):
        found = (_RETURNS_IN_C if language == "c" else _RETURNS_IN_GO).search(head)
        return found.group(1) if found is not None else ""
    for pattern in _RETURNS:
        found = pattern.search(head)
        if found is not None:
            return found.group(1)
    return ""


def _behind_parameters(head: str) -> str:
    """A head of Rust from its own arrow on; the parameters and their bounds may have others (``Fn() -> T``)."""
    depth = 0
    for at, c in enumerate(head):
        if c == ">" and head[at - 1 : at] == "-":
            if depth == 0:
                return head[at - 1 :].partition(" where ")[0]
        elif c in "([<":
            depth += 1
        elif c in ")]>":
            depth -= 1
    return ""


def plain_type(written: str) -> str:
    """A type without its wrappers, arguments and marks: ``Foo`` of ``Optional[Foo]``, ``*Foo``, ``Foo | None``."""
    text = written.strip().strip("\"'&*?! ")
    for _ in range(4):
        shorter = _WRAPPERS.sub("", text).strip("\"'&*?! ")
        if shorter == text:
            break
        text = shorter
    found = _TYPE_NAME.search(text)
    return found.group().rstrip(".:") if found is not None else ""
