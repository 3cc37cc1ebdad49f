"""Read types as code writes them: the name of a type without what surrounds it, and that of a list's elements."""

from __future__ import annotations

import re
from typing import Final

SAME_MEMBERS: Final = frozenset(
    ["Promise", "PromiseLike", "Awaited", "Readonly", "Partial", "Required", "NonNullable", "Omit", "Pick",
     "Exclude", "Extract", "NoInfer"]
)  # fmt: skip
"""Types of TypeScript whose values have the members of their first argument."""
LISTS: Final = frozenset({"Array", "ReadonlyArray", "Set", "ReadonlySet", "Iterable", "AsyncIterable"})
"""Types of TypeScript with elements of their first argument."""

_OPAQUE: Final = frozenset(
    [
        "Optional",
        "Annotated",
        "Final",
        "ClassVar",
        "Option",
        "Box",
        "Rc",
        "Arc",
        "unique_ptr",
        "shared_ptr",
        "RefCell",
        "Cell",
        "Mutex",
        "RwLock",
        "OnceCell",
        "OnceLock",
        "LazyLock",
        "Ref",
        "RefMut",
        "MutexGuard",
        "Cow",
        "Pin",
        "NonNull",
    ]
)
"""Types around another one through which its members are reached."""

_LEADING: Final = re.compile(
    r"^(?:'\w+\s|[&*?\s\"']|(?:mut|dyn|impl|const|volatile|struct|union|enum|class|typename|readonly|unowned|weak)\b)+"
)
_WRAPPED: Final = re.compile(r"^(?:[\w.]+(?:\.|::))?(\w+)\s*[\[<](.*)[\]>]$", re.DOTALL)
PATH: Final = re.compile(r"\\?[^\W\d][\w$]*(?:(?:\.|::|\\|->)[^\W\d][\w$]*)*")
NO_NAMES: Final = frozenset({"None", "null", "undefined", "nil", "void", "var", "auto", "let", "val"})
"""What is written in the place of a type and is none."""
_LIST: Final = re.compile(
    r"^(?:\w+(?:\.|::))*(?:Vec|VecDeque|HashSet|BTreeSet|SmallVec|BinaryHeap|list|List|ArrayList|LinkedList|Sequence"
    r"|MutableSequence|Iterable|Iterator|tuple|Tuple|set|Set|frozenset|FrozenSet|Array|ReadonlyArray|Collection|deque"
    r"|Deque|IEnumerable|IList|IReadOnlyList|vector|array|Stream)\s*[<\[](.+)[>\]]$",
    re.DOTALL,
)
_OF_RUST: Final = re.compile(r"^\[(.+?)(?:;[^\]]*)?\]$", re.DOTALL)
_OF_GO: Final = re.compile(r"^(?:map\[[^\]]*\]|\[[\w.]*\])(.+)$", re.DOTALL)
_BEHIND: Final = re.compile(r"^(?:readonly\s+)?(.+)\[\]$", re.DOTALL)


def clean_type(written: str) -> str:
    """A type without references, pointers, modifiers and arguments; ``Optional[Foo]`` and the like are Foo."""
    text = written.strip()
    for _ in range(4):
        text = _LEADING.sub("", text).strip("?!\"' ")
        parts = [p for p in (part.strip() for part in text.split("|")) if p not in NO_NAMES]
        if "|" in text and len(parts) == 1:
            text = parts[0]
            continue
        wrapped = _WRAPPED.match(text)
        if wrapped is None or wrapped.group(1) not in _OPAQUE:
            break
        arguments = [part for part in wrapped.group(2).split(",") if not part.strip().startswith("'")]
        text = arguments[0] if arguments else ""
    path = PATH.match(text)
    return path.group() if path is not None and path.group() not in NO_NAMES else ""


def element_type(written: str) -> str:
    """The type of the elements of a list, ``Foo`` of ``Vec<Foo>``, ``list[Foo]``, ``[]Foo``, ``Foo[]``; "" of others."""
    text = written.strip()
    for _ in range(4):
        shorter = _LEADING.sub("", text).strip("?!\"' ")
        for pattern in (_LIST, _OF_RUST, _OF_GO, _BEHIND):
            found = pattern.match(shorter)
            if found is not None:
                return clean_type(_first_of(found.group(1)))
        wrapped = _WRAPPED.match(shorter)
        if wrapped is None or wrapped.group(1) not in _OPAQUE:
            return ""
        text = wrapped.group(2).strip()
    return ""


def _first_of(arguments: str) -> str:
    """The first of some type arguments."""
    depth = 0
    for at, c in enumerate(arguments):
        depth += (c in "<[(") - (c in ">])")
        if c == "," and depth == 0:
            return arguments[:at]
    return arguments
