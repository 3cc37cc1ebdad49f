"""The Python API: everything the commands do, as typed calls that return data.

.. code-block:: python

    work = Branchwork.load(".")
    work.log("Split the lock", author="ada")
    if work.refresh(check=True).changed: ...

Every method takes the branch checked out unless told otherwise, and raises
:class:`~spelunk.branchwork.errors.BranchworkError` with one line for people.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spelunk.branchwork.document.document import STATUSES, Document
from spelunk.branchwork.errors import BranchworkError, DocumentMissingError, RepositoryError
from spelunk.branchwork.names import slug, stamp
from spelunk.branchwork.outcome import Outcome
from spelunk.branchwork.settings import PREFIX, Settings, load
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.stack.runner import Runner, SubprocessRunner
from spelunk.branchwork.store import Store, Stored

if TYPE_CHECKING:
    from spelunk.branchwork.actions import listing
    from spelunk.branchwork.document import check as checks

AUTHOR_VARIABLE = PREFIX + "AUTHOR"


class Branchwork:
    """The documents of one repository.

    Attributes:
        repo: The working tree.
        settings: Its ``[branchwork]`` settings.
        store: Its documents.
        clock: Seconds since the epoch.
    """

    def __init__(self, repo: Repo, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.repo, self.settings, self.clock = repo, settings, clock
        self.store = Store(repo, settings)

    @classmethod
    def load(
        cls,
        start: str = ".",
        *,
        settings: Settings | None = None,
        runner: Runner | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Branchwork:
        """The repository around ``start``.

        Raises:
            RepositoryError: There is none, or no git.
            ConfigError: A setting that cannot be used.
        """
        repo = Repo.find(start, runner or SubprocessRunner())
        return cls(repo, settings or load(repo.root), clock)

    def branch(self, given: str | None = None) -> str:
        """The branch meant: the one given, checked out, or, in a GitHub workflow, the pull request's.

        Raises:
            RepositoryError: HEAD is detached and nothing else tells.
        """
        if given == "":
            raise RepositoryError("--branch needs a name; leave it out for the branch checked out")
        name = given or self.repo.head() or os.environ.get("GITHUB_HEAD_REF", "")
        if not name:
            raise RepositoryError(
                "HEAD is detached, so there is no current branch; check one out, or give --branch NAME"
            )
        return name

    def find(self, which: str | None = None) -> Stored:
        """A document: by branch, pull request number, slug or file, in this tree, on its branch, in the archive.

        Raises:
            DocumentMissingError: There is none.
        """
        from spelunk.branchwork.document import data

        name = self.branch() if which is None else which
        stored = self.store.find(name) or self.store.on_branches([name]).get(name)
        if stored is None and which is None:
            stored = self.store.find_renamed(name)
        if stored is None and which is not None:
            filed = self.store.archived()
            number = int(name.lstrip("#")) if name.lstrip("#").isdecimal() else None
            meant = {name, name.removeprefix("branchwork-"), slug(name)}
            path = os.path.relpath(os.path.realpath(name), os.path.realpath(self.repo.root))
            for candidate in [*self.store.current(), *filed]:
                own = candidate.doc.field("slug").removeprefix("branchwork-")
                by_number = number is not None and data.pull_request(candidate.doc)[0] == number
                if candidate.branch == name or by_number or candidate.path in (path, name) or own in meant:
                    return candidate
            inside = not path.startswith(".." + os.sep) and not os.path.isabs(path)
            if inside and os.path.isfile(self.store.absolute(path)):
                return Stored(path, self.store.read(path))
        if stored is None:
            raise self._missing(name)
        return stored

    def _own(self, branch: str | None) -> tuple[str, str]:
        """The branch meant, and the path of its document in this working tree."""
        name = self.branch(branch)
        stored = self.store.find(name) or self.store.find_renamed(name)
        if stored is None:
            raise self._missing(name)
        return name, stored.path

    def _missing(self, name: str) -> DocumentMissingError:
        if name in self.store.on_branches([name]):
            return DocumentMissingError(f"the document of {name} is on that branch only; check it out first")
        return DocumentMissingError(
            f"no document for {name}; `spelunk branchwork create` starts one, `list` shows all"
        )

    def author(self, given: str | None = None) -> str:
        """Who writes: as given, from ``SPELUNK_BRANCHWORK_AUTHOR``, or from git; without ``@``.

        Raises:
            BranchworkError: Nothing says who.
        """
        name = (os.environ.get(AUTHOR_VARIABLE, "") or self.repo.author()) if given is None else given
        name = " ".join(name.replace("[", "(").replace("]", ")").split()).lstrip("@")
        if not name:
            raise BranchworkError(
                f"nobody to name as author; give --author, set {AUTHOR_VARIABLE}, or git config user.name"
            )
        return name

    def _stamp(self, local: bool | None) -> str:
        return stamp(self.clock(), local=self.settings.local_time if local is None else local)

    def _edit(
        self, command: str, branch: str | None, change: Callable[[Document], Document], *,
        dry_run: bool, local: bool | None = None, notes: tuple[str, ...] = (), facts: dict[str, Any] | None = None,
    ) -> Outcome:  # fmt: skip
        """Change the branch's document, and its ``last_updated`` with it."""
        from spelunk.branchwork.document import edit

        name, path = self._own(branch)
        now = self._stamp(local)

        def whole(doc: Document) -> Document:
            new = change(doc)
            touched = new.lines != doc.lines and new.front and "last_updated" in new.front.fields
            return edit.set_field(new, "last_updated", now) if touched else new

        before, after = self.store.edit(path, whole, write=not dry_run)
        if not dry_run:
            self.relink(name)
        changed = before != after
        return Outcome(
            command, name, path, changed, changed and not dry_run, notes, facts or {}, before, after
        )

    def create(
        self, *, status: str = "draft", base: str | None = None, template: str | None = None,
        local: bool | None = None, author: str | None = None, offline: bool = False, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Start the current branch's document; see :func:`spelunk.branchwork.actions.create.create`."""
        from spelunk.branchwork.actions import link
        from spelunk.branchwork.actions.create import create

        made = create(
            self.repo, self.store, self.settings, self.branch(), status=status, base=base, template=template,
            dri=self._author_or_nobody(author), stamp=self._stamp(local), offline=offline, write=not dry_run,
        )  # fmt: skip
        facts = made.now.to_dict()
        if not dry_run:
            facts["link"] = self.relink(made.branch)["link"]
            if not self.settings.tracked:
                link.ignore(self.repo, self.settings.dir, folder=True)
        return Outcome("create", made.branch, made.path, True, not dry_run, (), facts, None, made.text)

    def _author_or_nobody(self, given: str | None) -> str:
        try:
            return self.author(given)
        except BranchworkError:
            return ""

    def refresh(
        self, *, branch: str | None = None, base: str | None = None, offline: bool = False,
        check: bool = False, local: bool | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Bring a document up to date with its stack and pull request.

        Args:
            base: A base to keep from now on.
            offline: Ask git only.
            check: Write nothing; ``changed`` says whether the document is out of date.
        """
        from spelunk.branchwork.actions import archive, refresh

        name, path = self._own(branch)
        base = refresh.known_base(self.repo, base, name)
        now = refresh.look(
            self.repo, self.store, self.settings, name, self.store.read(path), base=base, offline=offline
        )
        fields: list[str] = []
        when = self._stamp(local)

        def change(doc: Document) -> Document:
            new, fields[:] = refresh.apply(doc, now, self.settings, when)
            return new

        write = not (check or dry_run)
        before, after = self.store.edit(path, change, write=write)
        facts = {"out_of_date": list(fields), **now.to_dict()}
        if write:
            refresh.remember_base(self.repo, now)
            path = archive.rename_live(self.store, path, name)
            facts["link"] = self.relink(name)["link"]
        return Outcome(
            "refresh", name, path, before != after, write and before != after, (), facts, before, after
        )

    def log(
        self, text: str, *, author: str | None = None, body: str = "", branch: str | None = None,
        local: bool | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Add an update. The first line of ``text`` is its summary; more lines and ``body`` go below it."""
        from spelunk.branchwork.document import fit

        head, _, more = text.strip().partition("\n")
        if not head.strip():
            raise BranchworkError("an update needs a text: spelunk branchwork log 'what was done'")
        lines, notes = fit.fit_body("\n\n".join(part for part in (more.strip("\r\n"), body) if part.strip()))
        return self._entry("log", head, lines, author, tuple(notes), branch, local, dry_run)

    def review(
        self, text: str, *, reviewer: str, summary: str = "PR Review", branch: str | None = None,
        local: bool | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Add a review as an update, verbatim inside a fence that nothing in it can close."""
        from spelunk.branchwork.document import fit

        if not text.strip():
            raise BranchworkError("the review is empty; give a file, or - and the text on standard input")
        return self._entry(
            "review", summary, fit.quote(text, "markdown", 4), reviewer, (), branch, local, dry_run
        )

    def _entry(
        self, command: str, summary: str, body: list[str], author: str | None, notes: tuple[str, ...],
        branch: str | None, local: bool | None, dry_run: bool,
    ) -> Outcome:  # fmt: skip
        from spelunk.branchwork.document import edit, fit

        name = self.author(author)
        heading = fit.heading_text(f"{self._stamp(local)}: [@{name}] {summary}")
        facts = {"heading": heading, "author": name}
        return self._edit(
            command, branch, lambda doc: edit.add_entry(doc, heading, body, self.settings.order),
            dry_run=dry_run, local=local, notes=notes, facts=facts,
        )  # fmt: skip

    def update(
        self, section: str | None = None, *, items: tuple[str, ...] = (), subitems: tuple[str, ...] = (),
        under: str | None = None, code: str | None = None, language: str = "", check_items: tuple[str, ...] = (),
        branch: str | None = None, dry_run: bool = False,
    ) -> Outcome:  # fmt: skip
        """Add to a section, making it where it is missing, or tick boxes.

        Args:
            subitems: Go below the section's last item, or the one that ``under`` means.
            check_items: By number, text, or a part of it that no other box has.
        """
        from spelunk.branchwork.document import edit

        return self._edit(
            "update", branch,
            lambda doc: edit.update(doc, section, items, subitems, under, code, language, check_items),
            dry_run=dry_run, facts={"section": section},
        )  # fmt: skip

    def status(self, branch: str | None = None) -> dict[str, Any]:
        """Status, boxes ticked and open, CI, and what blocks the merge."""
        from spelunk.branchwork.document import data

        return data.summary(self.find(branch))

    def show(self, which: str | None = None) -> dict[str, Any]:
        """A whole document as data."""
        from spelunk.branchwork.document import data

        return data.to_dict(self.find(which))

    def documents(
        self, *, status: str | None = None, stale_days: float | None = None, archived: bool = True
    ) -> list[listing.Listed]:
        """Documents, live ones first; only those of a status, or without news for some days."""
        from spelunk.branchwork.actions import listing

        if status is not None and status not in STATUSES:
            raise BranchworkError(f"status {status!r} is not one of {', '.join(STATUSES)}")
        trunk = self.repo.trunk(self.settings.trunk)
        rows = listing.listing(self.repo, self.store, trunk, archived=archived)
        if status is not None:
            rows = [row for row in rows if row.stored.doc.field("status") == status]
        if stale_days is not None:
            since = self.clock() - stale_days * 86400
            rows = [row for row in rows if row.state != "archived" and (row.active or 0.0) < since]
        return rows

    def check(self, paths: tuple[str, ...] = (), *, branch: str | None = None, compare_with: str | None = None,
              everything: bool = False) -> list[checks.Problem]:  # fmt: skip
        """Problems of the branch's document, of those named, or of all live ones.

        Args:
            compare_with: Also require a document if the branch changed code since it left this reference.
        """
        from spelunk.branchwork.document import check as checks

        if paths or everything:
            stored = [self.find(path) for path in paths] if paths else self.store.current()
            return [problem for s in stored for problem in checks.check(s, self.settings)]
        changed = self.repo.changed_since(compare_with) if compare_with else []
        name = branch or self.repo.head() or os.environ.get("GITHUB_HEAD_REF", "")
        own = (self.store.find(name) or self.store.find_renamed(name)) if name else None
        found = [own] if own else []
        if not found and compare_with:
            touched = {p for p in changed if p.startswith(self.settings.dir + "/")}
            found = [s for s in [*self.store.current(), *self.store.archived()] if s.path in touched]
        problems = [problem for s in found for problem in checks.check(s, self.settings)]
        if not found and not (compare_with and not checks.code_files(changed, self.settings)):
            problems += self._none(name, checks.code_files(changed, self.settings), compare_with)
        return problems

    def _none(self, name: str, code: list[str], compare_with: str | None) -> list[checks.Problem]:
        from spelunk.branchwork.document import check as checks

        if not compare_with:
            self.branch(name)
            if name == self.repo.trunk(self.settings.trunk):
                return []
        path = f"{self.settings.dir}/CURRENT-{slug(name or 'branch')}.md"
        said = f"{name or 'this checkout'} has no document; `spelunk branchwork create` starts one"
        if compare_with:
            said = f"{len(code)} code files changed since {compare_with} (first {code[0]}), and {said}"
        return [checks.Problem(path, 1, said)]

    def archive(
        self,
        *,
        branch: str | None = None,
        pr: int | None = None,
        local: bool | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Set a document to merged and move it to the archive; see :func:`spelunk.branchwork.actions.archive.archive`."""
        from spelunk.branchwork.actions import archive

        name = self.branch(branch) if pr is None else branch or ""
        done = archive.archive(
            self.repo, self.store, name, pr, now=self.clock(), stamp=self._stamp(local), write=not dry_run
        )
        if not dry_run:
            self.relink()
        facts = {"from": done.source, "found_by": done.found_by}
        written = done.changed and not dry_run
        return Outcome(
            "archive",
            done.branch,
            done.path,
            done.changed,
            written,
            done.notes,
            facts,
            done.before,
            done.after,
        )

    def relink(self, branch: str | None = None) -> dict[str, Any]:
        """Point ``CURRENT.md`` at the document of the branch checked out; drop it where there is none."""
        from spelunk.branchwork.actions import link

        head = self.repo.head()
        if branch is not None and branch != head:
            return {"link": "kept", "path": None}
        stored = (self.store.find(head) or self.store.find_renamed(head)) if head else None
        if stored is None and self.repo.rebasing():
            return {"link": "kept", "path": None}  # the document comes back when the rebase ends
        return {
            "link": link.point(self.repo, self.settings, stored.path if stored else None),
            "path": stored and stored.path,
        }
