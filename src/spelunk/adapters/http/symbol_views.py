"""Answers of the API about symbols: who calls what, what a change reaches, the repository on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from spelunk.adapters.http.problems import ApiError, bad_request
from spelunk.adapters.http.views import clean, not_indexed
from spelunk.adapters.http.workspaces import Fresh, ServedWorkspace, Workspaces
from spelunk.adapters.symbols import (
    SymbolQuestion,
    cited_paths,
    inside,
    only_one,
    place_in,
    prefixed_map,
    without,
)
from spelunk.errors import UsageError
from spelunk.graph.answer import GraphAnswer
from spelunk.graph.many import prefixed
from spelunk.present.graph import graph_notices, graph_object, map_object

Ask = Callable[[ServedWorkspace, str], GraphAnswer]
"""Asks a workspace, given the symbol or path as it knows it."""


class SymbolViews:
    """Make the answers. Called in threads; what it needs of the disk is brought up to date before."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    def symbol(
        self, args: dict[str, Any], found: Sequence[ServedWorkspace], fresh: Sequence[Fresh]
    ) -> dict[str, Any]:
        """The answer of ``/api/symbol``."""
        question = symbol_question(args)

        def ask(workspace: ServedWorkspace, symbol: str) -> GraphAnswer:
            to = question.to
            if workspace.prefix and place_in(to) is not None:
                to = to.removeprefix(workspace.prefix)
            asked = question._replace(symbol=symbol, to=to)
            return asked.ask(workspace.index(), workspace.target.within, refresh=False)

        return self._answered(args, args["symbol"], found, fresh, ask)

    def impact(
        self, args: dict[str, Any], found: Sequence[ServedWorkspace], fresh: Sequence[Fresh]
    ) -> dict[str, Any]:
        """The answer of ``/api/impact``."""

        def ask(workspace: ServedWorkspace, asked: str) -> GraphAnswer:
            within = workspace.target.within
            answer = workspace.index().impact(
                asked,
                diff=args["diff"] or "",
                depth=args["depth"],
                limit=args["limit"],
                within=within,
                refresh=False,
            )
            return inside(answer, within)

        return self._answered(args, args["changed"] or "", found, fresh, ask)

    def repo_map(self, args: dict[str, Any], workspace: ServedWorkspace, fresh: Fresh) -> dict[str, Any]:
        """The answer of ``/api/repo-map``."""
        made = workspace.index().map(limit=args["limit"], within=workspace.target.within, refresh=False)
        made = replace(prefixed_map(made, workspace.prefix), stale=not fresh.ok)
        values = map_object(made)
        values["repo"] = workspace.repo
        values["notices"] = [fresh.notice] if fresh.notice else []
        return values

    def _answered(
        self,
        args: dict[str, Any],
        symbol: str,
        found: Sequence[ServedWorkspace],
        fresh: Sequence[Fresh],
        ask: Ask,
    ) -> dict[str, Any]:
        """The answer of the workspace that a symbol or path is in, without files that have changed since."""
        states = dict(zip(found, fresh, strict=True))
        workspace, answer = self._asked(args["repo"], symbol, found, ask)
        state = states[workspace]
        index = workspace.index()
        with index.snapshot() as reader:
            changed = set(index.changed_paths(reader, cited_paths(answer), args["freshness"]))
        if changed:
            answer = without(answer, changed.__contains__, "have changed since they were indexed")
        answer = replace(answer, stale=not state.ok or bool(changed))
        values = graph_object(prefixed(answer, workspace.prefix))
        values["asked"] = clean(symbol or answer.asked)
        values["repo"] = workspace.repo
        values["notices"] = [*([state.notice] if state.notice else []), *graph_notices(answer)]
        return values

    def _asked(
        self, repo: str | None, symbol: str, found: Sequence[ServedWorkspace], ask: Ask
    ) -> tuple[ServedWorkspace, GraphAnswer]:
        place = place_in(symbol)
        path, lines = place if place is not None else (symbol, "")
        for workspace, inner in self._workspaces.places(path, repo) if path else ():
            # A path with the name of its workspace in front may be a folder as well.
            prefixed_path = not lines and bool(workspace.prefix) and path.startswith(workspace.prefix)
            if prefixed_path or _has_file(workspace, inner):
                return workspace, ask(workspace, f"{inner}:{lines}" if lines else inner)
        if lines and ("/" in path or "." in path):
            raise not_indexed()
        return only_one(found, lambda w: ask(w, symbol), lambda w: w.repo, "repo")


def _has_file(workspace: ServedWorkspace, path: str) -> bool:
    with workspace.index().snapshot() as reader:
        return reader.file(path) is not None


def symbol_question(args: dict[str, Any]) -> SymbolQuestion:
    """The question of a request to ``/api/symbol``.

    Raises:
        ApiError: Its parameters do not go together.
    """
    question = SymbolQuestion(
        args["question"],
        args["symbol"],
        args["to"] or "",
        args["depth"] or 0,
        args["role"],
        args["limit"],
    )
    try:
        question.check()
    except UsageError as error:
        raise bad_request(str(error)) from None
    return question


def one_workspace(found: Sequence[ServedWorkspace], what: str) -> ServedWorkspace:
    """The only one.

    Raises:
        ApiError: There are several.
    """
    if len(found) > 1:
        names = ", ".join(w.repo for w in found[:20])
        raise bad_request(f"{what} is about one workspace", f"give repo: {names}")
    return found[0]


def check_impact(args: dict[str, Any], found: Sequence[ServedWorkspace]) -> None:
    """Refuse parameters of ``/api/impact`` that do not go together.

    Raises:
        ApiError: They do not.
    """
    if bool(args["changed"]) == bool(args["diff"]):
        raise ApiError(
            400, "bad_request", "give changed (a file, folder or symbol) or diff (a revision), and not both"
        )
    if args["diff"]:
        one_workspace(found, "a diff")
