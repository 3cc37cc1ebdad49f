"""Edits of a document, each a function from one document to another.

An edit replaces a span that the tool owns (a front-matter scalar, the title,
the drawn stack, a CI row) or inserts lines. Where it could damage other parts
of the document it raises :class:`DocumentError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spelunk.branchwork.document import document
from spelunk.branchwork.document.document import CHECKLISTS, Section, Worklog, canonical, is_placeholder
from spelunk.branchwork.errors import DocumentError
from spelunk.io import lines as text_lines
from spelunk.text.front_matter_edit import FrontMatterError, extend_list, set_value
from spelunk.text.markdown import ListItem, quote

_NEVER_CLOSED = "is opened and never closed; close it and try again"
_BULLET = re.compile(r"\A[-*+]\s+")
_BOX = re.compile(r"\[[ xX]\](?:\s+|\Z)")
TABLE_HEAD = ("| Check | Status | Details |", "|-------|--------|---------|")


def splice(doc: Worklog, start: int, end: int, texts: list[str]) -> Worklog:
    """The document with lines ``start:end`` replaced by ``texts`` (bare lines)."""
    lines = list(doc.lines)
    if texts and start == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += doc.eol
    new = text_lines.with_ending(texts, doc.eol)
    if new and end == len(doc.lines) and start < end and not doc.lines[-1].endswith("\n"):
        new[-1] = texts[-1]
    lines[start:end] = new
    return Worklog(lines)


def insert_block(doc: Worklog, at: int, texts: list[str]) -> Worklog:
    """Insert lines with a blank line on either side, adding only those that are missing."""
    before = [""] if at > 0 and text_lines.body(doc.lines[at - 1]).strip() else []
    after = [""] if at < len(doc.lines) and text_lines.body(doc.lines[at]).strip() else []
    return splice(doc, at, at, [*before, *texts, *after])


def set_field(doc: Worklog, key: str, value: str, *, word: bool = False) -> Worklog:
    """Give a front-matter key a value; see :func:`spelunk.text.front_matter_edit.set_value`.

    Raises:
        DocumentError: It cannot be set safely.
    """
    return _with_front(doc, lambda: set_value(doc.lines, key, value, doc.eol, word=word))


def add_to_list(doc: Worklog, key: str, values: list[str]) -> Worklog:
    """Add to a front-matter list; see :func:`spelunk.text.front_matter_edit.extend_list`.

    Raises:
        DocumentError: It cannot be extended safely.
    """
    return _with_front(doc, lambda: extend_list(doc.lines, key, values, doc.eol))


def _with_front(doc: Worklog, change: Callable[[], list[str]]) -> Worklog:
    try:
        lines = change()
    except FrontMatterError as error:
        raise DocumentError(str(error)) from None
    return doc if lines is doc.lines else Worklog(lines)


def set_title(doc: Worklog, title: str) -> Worklog:
    """Replace the title's line, or add one behind the front matter."""
    if doc.title is None:
        return insert_block(doc, doc.start, [f"# {title}"])
    line, text = doc.title
    return doc if text == title else splice(doc, line, line + 1, [f"# {title}"])


def set_stack(doc: Worklog, drawing: list[str], *, create: bool = False) -> Worklog:
    """Replace what is inside the stack's fence.

    Args:
        create: Add the section where it is missing; else a document without it stays as it is.

    Raises:
        DocumentError: The fence is never closed.
    """
    section = doc.section("PR Stack Context")
    if section is None:
        if not create:
            return doc
        doc, section = ensure_section(doc, "PR Stack Context")
    fence = doc.stack_fence()
    if fence is None:
        _guard(doc)
        return insert_block(doc, section.line + 1, ["```text", *drawing, "```"])
    if not fence.closed:
        raise DocumentError(f"line {fence.start + 1}: the stack's code fence {_NEVER_CLOSED}")
    return doc if doc.inside(fence) == drawing else splice(doc, fence.start + 1, fence.end - 1, drawing)


def ensure_section(doc: Worklog, name: str) -> tuple[Worklog, Section]:
    """The section, added at its place in the usual order where it is missing."""
    section = doc.section(name)
    if section is not None:
        return doc, section
    _guard(doc)
    known = canonical(name)
    texts = [f"## {known or name}", *(("", *TABLE_HEAD) if known == "CI Status" else ())]
    order = {s: n for n, s in enumerate(document.SECTIONS)}
    below = [s for s in doc.sections if known and s.known and order[s.known] > order[known]]
    above = [s for s in doc.sections if not known or (s.known and order[s.known] < order[known])]
    if not above and below:
        at = below[0].line
    else:
        at = doc.content_end((above or doc.sections)[-1]) if doc.sections else doc.end
    doc = insert_block(doc, at, texts)
    section = doc.section(name)
    if section is None:
        raise DocumentError(f"a section called {name!r} cannot be added; use a plain one-line name")
    return doc, section


def add_entry(doc: Worklog, heading: str, body: list[str], order: str) -> Worklog:
    """Add an update.

    Args:
        heading: Its heading without the ``###``.
        body: Lines below it, already fitted by :func:`spelunk.branchwork.document.fit.fit_body`.
        order: ``newest`` first, ``oldest`` first, or ``keep`` for the order the document has.
    """
    doc, section = ensure_section(doc, "Updates")
    _guard(doc)
    entries = doc.entries
    dates = [entry.date for entry in entries if entry.date]
    if order == "keep":
        order = "oldest" if dates and dates[0] < dates[-1] else "newest"
    texts = [f"### {heading}", *([""] if body else []), *body]
    if not entries:
        doc, at = _without_placeholder(doc, section)
    elif order == "oldest":
        at = doc.content_end(section)
    else:
        at = entries[0].line
    new = insert_block(doc, at, texts)
    if len(new.entries) != len(entries) + 1:
        raise DocumentError("the entry would change another one; correct the Updates section first")
    return new


def add_item(doc: Worklog, name: str, text: str) -> Worklog:
    """Add an item behind the last one of a section, in the style of that list; a placeholder is replaced."""
    doc, section = ensure_section(doc, name)
    _guard(doc)
    table = doc.table(section)
    top = [item for item in doc.items(section) if item.depth == 0]
    if table and not top and "|" in text:
        cells = [" ".join(cell.split()) for cell in text.strip().strip("|").split("|")]
        return splice(doc, table[1], table[1], ["| " + " | ".join(cells) + " |"])
    text = _item_text(text)
    placeholder = next((item for item in reversed(top) if _stands_in(item)), None)
    if placeholder is not None:
        at, end = placeholder.start, placeholder.end
        texts = _item(placeholder.indent, placeholder.marker, placeholder.task is not None, text)
    elif top:
        last = top[-1]
        at = end = last.end
        loose = len(top) > 1 and not doc.lines[last.start - 1].strip()
        texts = [""] * loose + _item(last.indent, _next_marker(last.marker), last.task is not None, text)
    else:
        texts = _item(0, "-", section.known in CHECKLISTS, text)
        return _checked(doc, insert_block(doc, doc.content_end(section), texts), len(doc.blocks.items) + 1)
    return _checked(doc, splice(doc, at, end, texts), len(doc.blocks.items) + (placeholder is None))


def add_subitem(doc: Worklog, name: str, text: str, under: str | None = None) -> Worklog:
    """Add an item below another one: the last of the section, or the one that ``under`` means.

    Raises:
        DocumentError: The section, or the item, is not there.
    """
    section = doc.section(name)
    top = [i for i in doc.items(section) if i.depth == 0 and not _stands_in(i)] if section else []
    if not top:
        raise DocumentError(f"{name} has no item to put a sub-item under; add one with --item first")
    _guard(doc)
    parent = top[-1] if under is None else find_item(top, under, name)
    inside = [i for i in doc.blocks.items if parent.start < i.start < parent.end]
    children = [i for i in inside if i.depth == parent.depth + 1]
    text = _item_text(text)
    if children:
        last = children[-1]
        texts = _item(last.indent, _next_marker(last.marker), last.task is not None, text)
        at = last.end
    else:
        at, texts = parent.end, _item(parent.content, "-", False, text)
    return _checked(doc, splice(doc, at, at, texts), len(doc.blocks.items) + 1)


def add_code(doc: Worklog, name: str, code: str, language: str) -> Worklog:
    """Add a code block at the end of a section, in a fence that the code cannot close."""
    doc, section = ensure_section(doc, name)
    _guard(doc)
    doc, at = _without_placeholder(doc, section)
    return insert_block(doc, at, quote(code, language, 3))


def tick(doc: Worklog, name: str | None, text: str) -> tuple[Worklog, ListItem]:
    """Tick the checkbox that ``text`` means: its number, its text, or a part of it that no other has.

    Returns:
        The document, unchanged where the box was ticked already, and the item.
    """
    sections = doc.sections
    if name is not None:
        section = doc.section(name)
        if section is None:
            raise DocumentError(f"no section {name!r}; `spelunk branchwork status` lists the checklists")
        sections = (section,)
    boxes = [
        item for section in sections if section.known not in ("Updates", "PR Stack Context")
        for item in doc.items(section) if item.task is not None and not _stands_in(item)
    ]  # fmt: skip
    item = find_item(boxes, text, name or "the document")
    line = doc.lines[item.start]
    column = line.index("[", line.index(item.marker) + len(item.marker))
    if item.task == " ":
        ticked = f"{line[: column + 1]}x{line[column + 2 :]}"
        doc = Worklog([*doc.lines[: item.start], ticked, *doc.lines[item.start + 1 :]])
    return doc, item


def find_item(items: list[ListItem], wanted: str, where: str) -> ListItem:
    """The one item that ``wanted`` means.

    Raises:
        DocumentError: None does, or more than one.
    """
    folded = wanted.strip().casefold()
    if folded.isdigit() and 1 <= int(folded) <= len(items):
        return items[int(folded) - 1]
    exact = [item for item in items if item.text.casefold() == folded]
    matches = exact or [item for item in items if folded and folded in item.text.casefold()]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        known = "; ".join(f"{n}. {item.text}" for n, item in enumerate(items, 1)) or "none"
        raise DocumentError(f"no item of {where} matches {wanted!r}; there are: {known}")
    names = "; ".join(repr(item.text) for item in matches)
    raise DocumentError(f"{len(matches)} items of {where} match {wanted!r}: {names}; use more words")


def update(
    doc: Worklog, section: str | None, items: tuple[str, ...], subitems: tuple[str, ...],
    under: str | None, code: str | None, language: str, check_items: tuple[str, ...],
) -> Worklog:  # fmt: skip
    """Every kind of addition to one section; see the functions above.

    Raises:
        DocumentError: The section is one that other commands write, or is needed and not given.
    """
    if not section and (items or subitems or code is not None):
        raise DocumentError("name the section to add to: --section NAME")
    known = canonical(section or "")
    if known == "Updates" and not check_items:
        raise DocumentError("updates are added with `spelunk branchwork log` and `review`")
    if known == "PR Stack Context":
        raise DocumentError("the stack is drawn by `spelunk branchwork refresh`")
    for text in items:
        doc = add_item(doc, section or "", text)
    for text in subitems:
        doc = add_subitem(doc, section or "", text, under)
    if code is not None:
        doc = add_code(doc, section or "", code, language)
    for text in check_items:
        doc, _ = tick(doc, section, text)
    return doc


def _item_text(text: str) -> str:
    text = text.strip("\n")
    text = _BULLET.sub("", text, count=1)
    if is_placeholder(_BOX.sub("", text, count=1) if _BOX.match(text) else text):
        raise DocumentError("an item needs a text")
    return text


def _item(indent: int, marker: str, box: bool, text: str) -> list[str]:
    first, *rest = text.split("\n")
    lead = " " * indent + marker + " "
    if box and not _BOX.match(first):
        first = f"[ ] {first}"
    return [lead + first, *(" " * len(lead) + line.rstrip("\r") if line.strip() else "" for line in rest)]


def _stands_in(item: ListItem) -> bool:
    return is_placeholder(item.text) and item.end == item.start + 1


def _next_marker(marker: str) -> str:
    return f"{int(marker[:-1]) + 1}{marker[-1]}" if marker[0].isdigit() else marker


def _without_placeholder(doc: Worklog, section: Section) -> tuple[Worklog, int]:
    """The document without the section's placeholder if there is nothing else in it, and where content goes."""
    items, end = doc.items(section), doc.content_end(section)
    if len(items) == 1 and _stands_in(items[0]):
        start, stop = items[0].start, items[0].end
        if not "".join([*doc.lines[section.line + 1 : start], *doc.lines[stop:end]]).strip():
            return Worklog([*doc.lines[:start], *doc.lines[stop:]]), start
    return doc, end


def _guard(doc: Worklog) -> None:
    """Refuse a document in which new lines could become part of an open block."""
    fence = doc.open_fence()
    if fence is not None:
        raise DocumentError(f"line {fence.start + 1}: a code fence {_NEVER_CLOSED}")
    if doc.blocks.open_html is not None:
        raise DocumentError(f"line {doc.blocks.open_html + 1}: an HTML comment or block {_NEVER_CLOSED}")


def _checked(old: Worklog, new: Worklog, items: int) -> Worklog:
    if len(new.blocks.items) < items or [s.name for s in new.sections] != [s.name for s in old.sections]:
        raise DocumentError("the item would change the lines around it; write it by hand")
    return new
