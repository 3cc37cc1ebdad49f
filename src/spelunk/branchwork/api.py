"""The Python API of branchwork: typed calls that return data; the commands are built on it.

.. code-block:: python

    work = Branchwork.load(".")
    work.log("Split the lock", author="ada")
    if work.refresh(check=True).changed: ...

Every method takes the branch checked out unless another is given, and raises
:class:`~spelunk.branchwork.errors.BranchworkError` with one line for people.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spelunk.branchwork.actions import archive, create, link, listing, refresh
from spelunk.branchwork.actions.listing import Listed
from spelunk.branchwork.document import data, edit, fit
from spelunk.branchwork.document.check import WorklogProblem, check, code_files
from spelunk.branchwork.document.document import STATUSES, Worklog
from spelunk.branchwork.errors import BranchworkError, DocumentMissingError, RepositoryError
from spelunk.branchwork.names import slug, stamp
from spelunk.branchwork.settings import PREFIX, Settings, load
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.store import Outcome, Store, Stored
from spelunk.io.program import Runner, SubprocessRunner
from spelunk.text import worklog
from spelunk.text.markdown import quote

if TYPE_CHECKING:
    from spelunk.index import Index

AUTHOR_VARIABLE = PREFIX + "AUTHOR"


class Branchwork:
    """The documents of one repository.

    Attributes:
        repo: The working tree.
        settings: Its ``[branchwork]`` settings.
        store: Its documents.
        clock: Seconds since the epoch.
        start: The folder that relative paths in arguments refer to.
    """

    def __init__(
        self, repo: Repo, settings: Settings, clock: Callable[[], float] = time.time, start: str = "."
    ) -> None:
        self.repo, self.settings, self.clock, self.start = repo, settings, clock, start
        self.store = Store(repo, settings)

    @classmethod
    def load(
        cls, start: str = ".", *, settings: Settings | None = None, runner: Runner | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Branchwork:  # fmt: skip
        """The repository around ``start``.

        Raises:
            RepositoryError: There is none, or no git.
            ConfigError: A setting that cannot be used.
        """
        repo = Repo.find(start, runner or SubprocessRunner())
        return cls(repo, settings or load(repo.root), clock, start)

    def branch(self, given: str | None = None) -> str:
        """The branch to work on: the one given, checked out, or, in a GitHub workflow, the pull request's.

        Raises:
            RepositoryError: HEAD is detached and no branch is given.
        """
        if given == "":
            raise RepositoryError("--branch needs a name; leave it out for the branch checked out")
        name = given or self._head()
        if not name:
            reason = "HEAD is detached, so there is no current branch"
            raise RepositoryError(f"{reason}; check one out, or give --branch NAME")
        return name

    def _head(self) -> str:
        return self.repo.head() or os.environ.get("GITHUB_HEAD_REF", "")

    def find(self, which: str | None = None) -> Stored:
        """A document: by branch, pull request number, slug or file, in this tree, on its branch, in the archive.

        Raises:
            DocumentMissingError: There is none.
        """
        name = self.branch() if which is None else which
        stored = self.store.find(name) or self.store.on_branches([name]).get(name)
        if stored is None:
            stored = self.store.find_own(name) if which is None else self._by_other_name(name)
        if stored is None:
            raise self._missing(name)
        return stored

    def _by_other_name(self, name: str) -> Stored | None:

        digits = name.lstrip("#")
        number = int(digits) if digits.isdecimal() else None
        slugs = {name, name.removeprefix(worklog.SLUG_PREFIX), slug(name)}
        file = os.path.realpath(os.path.join(self.start, name))
        path = os.path.relpath(file, os.path.realpath(self.repo.root))
        for s in [*self.store.current(), *self.store.archived()]:
            by_number = number is not None and data.pull_request(s.doc)[0] == number
            if s.branch == name or by_number or s.path in (path, name) or s.slug in slugs:
                return s
        inside = not path.startswith(".." + os.sep) and os.path.isfile(file)
        return Stored(path, self.store.read(path)) if inside else None

    def _own(self, branch: str | None) -> tuple[str, str]:
        """The branch to work on, and the path of its document in this working tree."""
        name = self.branch(branch)
        stored = self.store.find_own(name)
        if stored is None:
            raise self._missing(name)
        return name, stored.path

    def _missing(self, name: str) -> DocumentMissingError:
        there = name in self.store.on_branches([name])
        other = f"no document for {name}; `spelunk branchwork create` starts one, `list` shows all"
        only = f"the document of {name} is on that branch only; check it out first"
        return DocumentMissingError(only if there else other)

    def author(self, given: str | None = None) -> str:
        """The author's name without ``@``: as given, from ``SPELUNK_BRANCHWORK_AUTHOR``, or from git.

        Raises:
            BranchworkError: None of them has a name.
        """
        name = self._author(given)
        if not name:
            hint = f"give --author, set {AUTHOR_VARIABLE}, or git config user.name"
            raise BranchworkError(f"the author has no name; {hint}")
        return name

    def _author(self, given: str | None) -> str:
        name = (os.environ.get(AUTHOR_VARIABLE, "") or self.repo.author()) if given is None else given
        return " ".join(name.replace("[", "(").replace("]", ")").split()).lstrip("@")

    def _stamp(self, local: bool | None) -> str:
        return stamp(self.clock(), local=self.settings.local_time if local is None else local)

    def _edit(
        self, command: str, branch: str | None, change: Callable[[Worklog], Worklog], *,
        dry_run: bool, local: bool | None = None, notes: tuple[str, ...] = (), facts: dict[str, Any] | None = None,
    ) -> Outcome:  # fmt: skip
        """Change the branch's document, and its ``last_updated`` with it."""
        name, path = self._own(branch)
        now = self._stamp(local)

        def whole(doc: Worklog) -> Worklog:
            new = change(doc)
            touched = new.lines != doc.lines and new.front and "last_updated" in new.front.fields
            return edit.set_field(new, "last_updated", now) if touched else new

        before, after = self.store.edit(path, whole, write=not dry_run)
        if not dry_run:
            self.relink(name)
        return Outcome(command, name, path, before, after, not dry_run, notes, facts or {})

    def create(
        self, *, status: str = "draft", base: str | None = None, template: str | None = None,
        local: bool | None = None, author: str | None = None, offline: bool = False, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Start the current branch's document; see :func:`spelunk.branchwork.actions.create.create`."""
        return create.create(
            self.store, self.branch(), status=status, base=base, dri=self._author(author),
            template_path=None if template is None else os.path.join(self.start, template),
            stamp=self._stamp(local), offline=offline, write=not dry_run,
        )  # fmt: skip

    def refresh(
        self, *, branch: str | None = None, base: str | None = None, offline: bool = False,
        check: bool = False, local: bool | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Bring a document up to date with its stack and pull request.

        Args:
            base: A base to keep from now on.
            offline: Call git only.
            check: Write nothing; ``changed`` is true if the document is out of date.
        """
        name, path = self._own(branch)
        base = refresh.known_base(self.repo, base, name)
        now = refresh.look(self.store, name, self.store.read(path), base=base, offline=offline)
        fields: list[str] = []
        when = self._stamp(local)

        def change(doc: Worklog) -> Worklog:
            new, fields[:] = refresh.apply(doc, now, self.settings, when)
            return new

        write = not (check or dry_run)
        before, after = self.store.edit(path, change, write=write)
        facts = {"out_of_date": list(fields), **now.to_dict()}
        if write:
            refresh.remember_base(self.repo, now)
            path = archive.rename_live(self.store, path, name)
            facts["link"] = self.relink(name)["link"]
        return Outcome("refresh", name, path, before, after, write, (), facts)

    def log(
        self, text: str, *, author: str | None = None, body: str = "", branch: str | None = None,
        local: bool | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Add an update. The first line of ``text`` is its summary; more lines and ``body`` go below it."""
        head, _, more = text.strip().partition("\n")
        if not head.strip():
            raise BranchworkError("an update needs a text: spelunk branchwork log 'what was done'")
        lines, notes = fit.fit_body("\n\n".join(part for part in (more.strip("\r\n"), body) if part.strip()))
        return self._entry("log", head, lines, author, tuple(notes), branch, local, dry_run)

    def review(
        self, text: str, *, reviewer: str, summary: str = "PR Review", branch: str | None = None,
        local: bool | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Add a review as an update, verbatim inside a fence that no line of it can close."""
        if not text.strip():
            raise BranchworkError("the review is empty; give a file, or - and the text on standard input")
        return self._entry(
            "review", summary, quote(text, "markdown", 4), reviewer, (), branch, local, dry_run
        )

    def _entry(
        self, command: str, summary: str, body: list[str], author: str | None, notes: tuple[str, ...],
        branch: str | None, local: bool | None, dry_run: bool,
    ) -> Outcome:  # fmt: skip

        name = self.author(author)
        heading = fit.heading_text(f"{self._stamp(local)}: [@{name}] {summary}")
        return self._edit(
            command, branch, lambda doc: edit.add_entry(doc, heading, body, self.settings.order),
            dry_run=dry_run, local=local, notes=notes, facts={"heading": heading, "author": name},
        )  # fmt: skip

    def update(
        self, section: str | None = None, *, items: tuple[str, ...] = (), subitems: tuple[str, ...] = (),
        under: str | None = None, code: str | None = None, language: str = "", check_items: tuple[str, ...] = (),
        branch: str | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Add to a section, which is added if it is missing, or tick boxes.

        Args:
            subitems: Go below the section's last item, or below the one that ``under`` names.
            check_items: Boxes to tick: by number, text, or a part of it that no other box has.
        """
        return self._edit(
            "update", branch,
            lambda doc: edit.update(doc, section, items, subitems, under, code, language, check_items),
            dry_run=dry_run, facts={"section": section},
        )  # fmt: skip

    def status(self, branch: str | None = None) -> dict[str, Any]:
        """Status, boxes ticked and open, CI, and what blocks the merge."""
        return data.summary(self.find(branch))

    def show(self, which: str | None = None) -> dict[str, Any]:
        """A whole document as data."""
        return data.to_dict(self.find(which))

    def documents(
        self, *, status: str | None = None, stale_days: float | None = None, archived: bool = True
    ) -> list[Listed]:
        """Documents, live ones first; only those of a status, or without a change for some days."""
        if status is not None and status not in STATUSES:
            raise BranchworkError(f"status {status!r} is not one of {', '.join(STATUSES)}")
        rows = listing.listing(self.store, self.repo.trunk(self.settings.trunk), archived=archived)
        if status is not None:
            rows = [row for row in rows if row.stored.doc.field("status") == status]
        if stale_days is not None:
            since = self.clock() - stale_days * 86400
            rows = [row for row in rows if row.state != "archived" and (row.active or 0.0) < since]
        return rows

    def check(
        self, paths: tuple[str, ...] = (), *, branch: str | None = None, compare_with: str | None = None,
        everything: bool = False,
    ) -> list[WorklogProblem]:  # fmt: skip
        """Problems of the branch's document, of those named, or of all live ones.

        Args:
            compare_with: Also require a document if the branch changed code since it left this reference.
        """
        if paths or everything:
            stored = [self.find(path) for path in paths] if paths else self.store.current()
            return [problem for s in stored for problem in check(s, self.settings)]
        changed = self.repo.changed_since(compare_with) if compare_with else []
        name = branch or self._head()
        own = self.store.find_own(name) if name else None
        touched = [s for s in [*self.store.current(), *self.store.archived()] if s.path in changed]
        if own or touched:
            return [problem for s in ([own] if own else touched) for problem in check(s, self.settings)]
        code = code_files(changed, self.settings)
        on_trunk = not compare_with and self.branch(name or None) == self.repo.trunk(self.settings.trunk)
        if on_trunk or (compare_with and not code):
            return []
        message = f"{name or 'this checkout'} has no document; `spelunk branchwork create` starts one"
        if compare_with:
            message = f"{len(code)} code files changed since {compare_with} (first {code[0]}), and {message}"
        return [WorklogProblem(f"{self.settings.dir}/CURRENT-{slug(name or 'branch')}.md", 1, message)]

    def archive(
        self, *, branch: str | None = None, pr: int | None = None, local: bool | None = None, dry_run: bool = False
    ) -> Outcome:  # fmt: skip
        """Set a document to merged and move it; see :func:`spelunk.branchwork.actions.archive.archive`."""
        name = self.branch(branch) if pr is None else branch or ""
        stamp = self._stamp(local)
        outcome = archive.archive(self.store, name, pr, now=self.clock(), stamp=stamp, write=not dry_run)
        if not dry_run:
            self.relink()
        return outcome

    def relink(self, branch: str | None = None, *, dry_run: bool = False) -> dict[str, Any]:
        """Point ``CURRENT.md`` at the document; see :func:`spelunk.branchwork.actions.link.relink`."""
        return link.relink(self.store, branch, write=not dry_run)

    def index(self, directory: str | None = None) -> Index:
        """A search index of the documents alone, the archive included.

        It is small, so that the first search need not wait for an index of
        the repository, and it also holds documents that git ignores.

        Args:
            directory: Where the index is; by default in this worktree's git directory.
        """
        from spelunk.index import Index

        pattern = f"/{self.settings.dir}/*.md"
        where = directory or os.path.join(self.repo.gitdir, "spelunk-branchwork")
        index = Index.open(self.repo.root, index_dir=where, include=(pattern,), exclude=(f"!{pattern}",))
        index.listed = False  # or the code would be searched in it
        return index
