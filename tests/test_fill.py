"""Vectors of a provider: made after the texts, filled in later, never at the cost of an answer."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from spelunk import Index
from spelunk.errors import ConfigError
from spelunk.pipeline import worker
from spelunk.store import merge
from spelunk.testing import logical_content
from spelunk.types import Report
from tests.corpus import python_file, write_tree
from tests.provider import Handler, Provider, free_port

QUICK: dict[str, Any] = {
    "embedder": "api:m",
    "embedding_batch": 8,
    "embedding_concurrency": 3,
    "embedding_timeout": 120,
    "query_timeout": 120,
    "retry_attempts": 2,
    "retry_wait": 0,
    "retry_max_wait": 0.05,
    "breaker_failures": 3,
    "breaker_wait": 0,
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 12)
    return root


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as p:
        yield p


def open_index(root: Path, place: Path, provider: Provider | None, **settings: Any) -> Index:
    url = provider.url if provider is not None else f"http://127.0.0.1:{free_port()}/v1"
    return Index.open(root, index_dir=str(place), **{**QUICK, "embedding_url": url, **settings})


def counts(report: Report) -> tuple[int, int]:
    return report.pending_vectors, report.refused_vectors


def fresh(root: Path, place: Path, **settings: Any) -> dict[str, Any]:
    """What one undisturbed run makes of the tree."""
    with Provider() as healthy:
        index = open_index(root, place, healthy, **settings)
        assert counts(index.update()) == (0, 0)
        return logical_content(index.directory)


def test_vectors_are_made_after_the_texts_and_serve_a_search(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    met = threading.Event()

    def behave(handler: Handler, texts: list[str]) -> bool:
        if texts is not provider.batches[0]:  # the first call is made alone
            if provider.most < 2:
                met.wait(100)  # for one beside it; without one the next assertions fail
            met.set()
        return False

    provider.behave = behave
    index = open_index(tree, tmp_path / "ix", provider)

    report = index.update()

    assert counts(report) == (0, 0) and report.degraded is None
    assert 1 < provider.most <= 3
    assert all(len(b) <= 8 for b in provider.batches) and len(provider.texts) == len(set(provider.texts))
    # A file written within a clock tick of the walk is looked at once more.
    assert index.update().files.indexed == 0
    status = index.status()
    assert status.vectors == status.chunks == report.chunks and status.state == "current"
    assert status.embedder == "api:m[8000c]" and status.breakers == ()
    answer = index.search("How queues are flushed.", mode="semantic", limit=3)
    assert answer.degraded is None and answer.hits[0].path == "README.md"
    assert index.check().ok


def test_only_what_changed_is_sent_again_and_a_copy_never(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    index = open_index(tree, tmp_path / "ix", provider)
    index.update()
    provider.batches.clear()
    (tree / "copy.py").write_text((tree / "pkg0" / "mod_3.py").read_text())
    (tree / "pkg0" / "mod_4.py").rename(tree / "moved.py")
    (tree / "new.py").write_text("def walrus():\n    return 'tusk'\n")

    assert counts(index.update()) == (0, 0)

    assert provider.texts == ["def walrus():\n    return 'tusk'"]
    assert logical_content(index.directory) == fresh(tree, tmp_path / "fresh")
    assert index.check().ok


def refuse_to_connect(p: Provider) -> None:
    p.server.socket.close()


def always(action: Callable[[Handler, list[str]], object]) -> Callable[[Provider], None]:
    def arm(p: Provider) -> None:
        def behave(handler: Handler, texts: list[str]) -> bool:
            action(handler, texts)
            return True

        p.behave = behave

    return arm


def said(status: int, message: str = "", **headers: str) -> Callable[[Provider], None]:
    body = {"error": {"message": message, "type": "x"}}
    return always(lambda h, t: h.send(status, body, {k.replace("_", "-"): v for k, v in headers.items()}))


SLOW = ("hang", "slow drip")
"""Failures that end by a time limit: which of the limits strikes first is for the machine's load to say."""
FAILURES: dict[str, tuple[Callable[[Provider], None], str]] = {
    "hang": (always(lambda h, t: h.hang()), "no answer (in time|within 0.3 s)"),
    "500": (said(500, "the cat sat\non it"), "answered 500: the cat sat on it"),
    "503, come back in a second": (said(503, Retry_After="1"), "answered 503"),
    "429, in seconds": (said(429, "slow down", Retry_After="1"), "answered 429: slow down"),
    "429, by date": (said(429, Retry_After=formatdate(time.time() + 900, usegmt=True)), "answered 429"),
    "429, no word when": (said(429), "answered 429"),
    "not JSON": (always(lambda h, t: h.send(200, b"<html>")), "cannot be read (not JSON)"),
    "JSON of another shape": (
        always(lambda h, t: h.send(200, {"data": {"a": 1}})),
        "returned an answer that cannot be read",
    ),
    "too few": (always(lambda h, t: h.vectors([[1.0, 2.0]] * (len(t) + 1))), "vectors for"),
    "ragged": (always(lambda h, t: h.vectors([[1.0] * n for n in range(len(t))])), "dimension"),
    "not numbers": (always(lambda h, t: h.vectors([[float("nan"), 1.0]] * len(t))), "not numbers"),
    "strings": (always(lambda h, t: h.vectors([["a", "b"]] * len(t))), "cannot be read"),  # type: ignore[list-item]
    "slow drip": (always(lambda h, t: h.drip()), "no answer (in time|within 0.3 s)|came too slowly"),
    "redirect": (
        said(302, Location="http://elsewhere.invalid/v1"),
        "redirects to http://elsewhere.invalid/v1",
    ),
    "torn in the middle": (always(lambda h, t: h.reset()), "connection broke"),
    "401": (said(401, "bad key sk-secret"), "answered 401: bad key ***; the key in SOME_KEY is refused"),
    "404": (said(404, "no such model"), "answered 404: no such model; check SPELUNK_EMBEDDING_URL"),
    "refuses every text": (said(400, "the model is gone"), "answered 400: the model is gone"),
}
TOLD_APART = ("401", "404", "redirect")
"""Failures that no second try can help."""


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_provider_costs_no_answer_and_is_made_up_for(
    tree: Path, tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arm, words = FAILURES[name]
    arm(provider)
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    said_so = re.compile(words if name in SLOW else re.escape(words))
    settings = {"embedding_key_env": "SOME_KEY", "embedding_timeout": 0.3 if name in SLOW else 120}
    settings["query_timeout"] = settings["embedding_timeout"]
    index = open_index(tree, tmp_path / "ix", provider, **settings)

    report = index.update()

    assert report.pending_vectors == report.chunks > 40 and report.refused_vectors == 0
    assert report.degraded is not None and said_so.search(report.degraded), report.degraded
    assert "sk-secret" not in report.degraded
    assert report.files.failed == 0
    if name in TOLD_APART:
        assert len(provider.batches) == 1
    assert len(provider.batches) <= 20
    assert provider.headers or name in SLOW  # a limit can strike before the request arrives
    assert {h.get("Authorization") for h in provider.headers} <= {"Bearer sk-secret"}
    by_words = index.search("flush_queue", limit=3)
    assert by_words.hits[0].path == "core.c" and by_words.degraded is None
    degraded = index.search("flush_queue", mode="semantic", limit=3)
    assert degraded.hits[0].path == "core.c" and "vectors" in str(degraded.degraded)
    status = index.status()
    assert (status.pending_vectors, status.vectors) == (report.chunks, 0)
    assert status.state == "behind" and said_so.search(status.detail), status.detail
    assert index.check().ok  # what is pending is no damage

    provider.behave = lambda handler, texts: False
    with monkeypatch.context() as patch:
        patch.setattr(worker, "chunk", forbidden)  # nothing is parsed to make up for it
        made_up = open_index(tree, tmp_path / "ix", provider, embedding_key_env="SOME_KEY").update()

    assert counts(made_up) == (0, 0) and made_up.degraded is None
    assert made_up.files.unchanged == made_up.files.seen
    assert logical_content(index.directory) == fresh(tree, tmp_path / "fresh")
    assert index.status().state == "current" and index.check().ok


def forbidden(*_: Any) -> Any:
    raise AssertionError("a file was read or parsed")


def test_nobody_listening(tree: Path, tmp_path: Path) -> None:
    index = open_index(tree, tmp_path / "ix", None, breaker_wait=3_600)

    report = index.update()

    assert report.pending_vectors == report.chunks
    assert "no connection" in str(report.degraded) and "onnection refused" in str(report.degraded)
    (breaker,) = index.status().breakers
    assert (breaker.name, breaker.state, breaker.failures) == ("embedder", "open", 3)
    assert breaker.retry_at == breaker.since + 3_600 and "no connection" in breaker.reason


def test_an_open_breaker_spares_a_search_the_wait(tree: Path, tmp_path: Path, provider: Provider) -> None:
    FAILURES["500"][0](provider)
    index = open_index(tree, tmp_path / "ix", provider, breaker_wait=3_600)
    index.update()
    asked = len(provider.batches)
    always(lambda h, t: h.hang())(provider)

    answer = open_index(tree, tmp_path / "ix", provider, breaker_wait=3_600).search(
        "flush_queue", mode="semantic"
    )

    assert answer.hits and "chunks have none yet" in str(answer.degraded)
    assert len(provider.batches) == asked


def test_an_open_breaker_spares_a_search_over_vectors_the_wait(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    index = open_index(tree, tmp_path / "ix", provider, breaker_wait=3_600, query_timeout=0.2)
    index.update()
    always(lambda h, t: h.hang())(provider)
    for _ in range(3):
        answer = open_index(tree, tmp_path / "ix", provider, breaker_wait=3_600, query_timeout=0.2).search(
            "flush_queue", mode="semantic"
        )
        assert answer.hits[0].path == "core.c" and "no answer" in str(answer.degraded)

    answer = open_index(tree, tmp_path / "ix", provider, breaker_wait=3_600).search(
        "flush_queue at last", mode="semantic"
    )

    assert answer.hits[0].path == "core.c" and "not called for another" in str(answer.degraded)
    assert "flush_queue at last" not in provider.texts  # the others may still arrive, being late


def test_a_provider_that_dies_in_the_middle_keeps_what_it_gave(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    def behave(handler: Handler, texts: list[str]) -> bool:
        if provider.batches.index(texts) >= 4:
            handler.send(500, {})
            return True
        return False

    provider.behave = behave
    index = open_index(tree, tmp_path / "ix", provider)

    report = index.update()

    assert 0 < report.pending_vectors < report.chunks
    assert index.status().vectors == report.chunks - report.pending_vectors == 32
    answer = index.search("flush", mode="semantic")
    assert answer.hits and answer.degraded is not None
    assert index.check().ok
    provider.behave = lambda handler, texts: False
    sent = set(provider.texts[:32])
    provider.batches.clear()
    assert counts(index.update()) == (0, 0)
    assert not sent & set(provider.texts)  # what is there is not asked for again
    assert logical_content(index.directory) == fresh(tree, tmp_path / "fresh")
    assert index.check().ok


@pytest.mark.parametrize("way", [400, 413, 422, "garbage", "nan"])
def test_a_poisonous_text_never_fails_its_batch(
    tree: Path, tmp_path: Path, provider: Provider, way: int | str
) -> None:
    (tree / "poison.py").write_text("def skunk():\n    return 'PHEW'\n")

    def behave(handler: Handler, texts: list[str]) -> bool:
        if not any("PHEW" in t for t in texts):
            return False
        if isinstance(way, int):
            handler.send(way, {"error": {"message": "I will not embed this"}})
        elif way == "garbage":
            handler.send(200, b"\x00\xff")
        else:
            handler.vectors([[float("inf")] * 100] * len(texts))
        return True

    provider.behave = behave
    index = open_index(tree, tmp_path / "ix", provider)

    report = index.update()

    assert counts(report) == (0, 1) and report.degraded is None
    (refused,) = index.status().refused
    assert (refused.path, refused.start_line, refused.end_line) == ("poison.py", 1, 2)
    expected = (
        "I will not embed this"
        if isinstance(way, int)
        else "cannot be read"
        if way == "garbage"
        else "numbers"
    )
    assert expected in refused.reason
    assert index.status().vectors == report.chunks - 1
    assert index.search("skunk").hits[0].path == "poison.py"
    assert index.check().ok and index.check().pending == 1

    asked = len(provider.batches)
    assert counts(index.update()) == (0, 1)
    assert len(provider.batches) == asked  # it is not tried for ever

    (tree / "poison.py").write_text("def rose():\n    return 'PHEW, better'\n")
    assert counts(index.update()) == (0, 1)
    assert len(provider.batches) > asked
    provider.behave = lambda handler, texts: False
    assert counts(index.update(rebuild=True)) == (0, 0)


def test_a_provider_that_only_knows_poison_at_first_is_not_believed(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    """The very first text is refused, and the provider is well: it is the text."""
    for path in tree.rglob("*.*"):
        path.unlink()
    (tree / "a.py").write_text("def skunk():\n    return 'PHEW'\n")
    always(lambda h, t: h.send(400, {}) if "PHEW" in t[0] else h.vectors([[1.0, 2.0]] * len(t)))(provider)

    assert counts(open_index(tree, tmp_path / "ix", provider).update()) == (0, 1)


def test_another_width_in_the_middle_is_not_mixed_in(tree: Path, tmp_path: Path, provider: Provider) -> None:
    def behave(handler: Handler, texts: list[str]) -> bool:
        if any("flush_queue" in t for t in texts):
            handler.vectors([[1.0] * 50 for _ in texts])
            return True
        return False

    provider.behave = behave
    index = open_index(tree, tmp_path / "ix", provider)

    report = index.update()

    assert report.pending_vectors and report.refused_vectors == 0  # no text is given up for it
    assert re.search(
        r"returned vectors of (50 dimensions, not of 100|100 dimensions, not of 50)", str(report.degraded)
    )
    provider.behave = lambda handler, texts: False
    assert counts(index.update(rebuild=True)) == (0, 0)


def test_another_width_in_another_run_is_not_mixed_in(tree: Path, tmp_path: Path, provider: Provider) -> None:
    index = open_index(tree, tmp_path / "ix", provider)
    index.update()
    (tree / "new.py").write_text("def walrus():\n    return 'tusk'\n")
    always(lambda h, t: h.vectors([[1.0] * 200 for _ in t]))(provider)

    report = index.update()

    assert counts(report) == (1, 0) and "dimensions, the index has 128" in str(report.degraded)
    assert "dimensions" in str(index.search("walrus", mode="semantic").degraded)
    assert index.check().ok


def test_dimensions_are_asked_for_and_held_to(tree: Path, tmp_path: Path, provider: Provider) -> None:
    index = open_index(tree, tmp_path / "ix", provider, embedding_dimensions=70)

    assert counts(index.update()) == (0, 0)

    assert {b["dimensions"] for b in provider.bodies} == {70} and {b["model"] for b in provider.bodies} == {
        "m"
    }
    assert index.status().embedder == "api:m[8000c,70d]"
    assert open_index(tree, tmp_path / "ix", provider).status().state == "options-changed"


def test_texts_are_made_fit_to_be_sent(tree: Path, tmp_path: Path, provider: Provider) -> None:
    (tree / "odd.txt").write_bytes(b"bell \x07 and \x1b[2J and \xff, then " + b"z" * 5_000 + b"\n")
    index = open_index(tree, tmp_path / "ix", provider, embedding_max_chars=300)

    assert counts(index.update()) == (0, 0)

    assert max(map(len, provider.texts)) <= 300
    assert not any(c in t for t in provider.texts for c in "\x07\x1b")


def test_a_failure_ends_nothing_else(tree: Path, tmp_path: Path, provider: Provider) -> None:
    """One call of three fails for good; those beside it are kept."""
    bad: list[str] = []

    def behave(handler: Handler, texts: list[str]) -> bool:
        if provider.batches.index(texts) == 2:
            bad[:] = texts
            handler.send(500, {})
            return True
        return False

    provider.behave = behave
    index = open_index(tree, tmp_path / "ix", provider, breaker_failures=100)

    report = index.update()

    assert report.pending_vectors == len(bad) == 8
    assert index.check().ok
    provider.behave = lambda handler, texts: False
    assert counts(index.update()) == (0, 0)
    assert len(index.status().breakers) == 1 and index.status().breakers[0].state == "closed"
    assert logical_content(index.directory) == fresh(tree, tmp_path / "fresh")


def test_segments_out_of_order_are_kept_right(tree: Path, tmp_path: Path, provider: Provider) -> None:
    """Holes filled in later make ranges that overlap: merges, removals and donors take no notice."""
    hole = {"at": 0}

    def behave(handler: Handler, texts: list[str]) -> bool:
        hole["at"] += 1
        if hole["at"] % 2:
            handler.send(500, {})
        return bool(hole["at"] % 2)

    provider.behave = behave
    settings = {
        "retry_attempts": 1,
        "embedding_concurrency": 1,
        "embedding_batch": 3,
        "breaker_failures": 100,
    }
    index = open_index(tree, tmp_path / "ix", provider, **settings)
    assert index.update().pending_vectors > 20
    before = len(provider.batches)
    assert index.update().pending_vectors > 5
    (tree / "pkg0" / "mod_2.py").unlink()
    (tree / "pkg0" / "mod_5.py").write_text(python_file(77))
    index.update()
    assert index.check().ok, index.check().problems
    provider.behave = lambda handler, texts: False
    assert counts(index.update()) == (0, 0)
    assert len(provider.batches) > before and index.check().ok
    (tree / "copy.py").write_text(
        (tree / "pkg0" / "mod_7.py").read_text()
    )  # its vectors lie in several segments
    for n in range(merge.MAX_SEGMENTS + 2):
        (tree / "pkg0" / "mod_1.py").write_text(python_file(800 + n))
        assert counts(index.update()) == (0, 0)
        found = index.check()
        assert found.ok, found.problems

    assert int(index.status().vectors) == index.status().chunks
    assert logical_content(index.directory) == fresh(tree, tmp_path / "fresh")


def test_another_embedder_makes_the_vectors_again_and_reads_no_file(
    tree: Path, tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "ix"
    built_in = Index.open(tree, index_dir=str(place))
    time.sleep(2.1)  # a file that changed just now is read again in any case
    built_in.update()
    plain = logical_content(str(place))
    index = open_index(tree, place, provider)
    assert index.status().state == "options-changed" and "reads no file" in index.status().detail

    with monkeypatch.context() as patch:
        patch.setattr(worker, "decode", forbidden)
        report = index.update()

    assert counts(report) == (0, 0) and report.chunks == 0
    assert report.files.unchanged == report.files.seen
    assert index.check().ok and index.status().state == "current"
    assert logical_content(str(place)) == fresh(tree, tmp_path / "fresh")

    again = Index.open(tree, index_dir=str(place))
    with monkeypatch.context() as patch:
        patch.setattr(worker, "decode", forbidden)
        assert again.search("flush the queue", mode="semantic").degraded is None  # a search does it by itself
    assert again.status().state == "current" and again.check().ok
    assert logical_content(str(place)) == plain


def test_another_embedder_and_other_files_at_once(tree: Path, tmp_path: Path, provider: Provider) -> None:
    place = tmp_path / "ix"
    Index.open(tree, index_dir=str(place)).update()
    (tree / "pkg0" / "mod_2.py").unlink()
    (tree / "pkg0" / "mod_5.py").write_text(python_file(77))
    index = open_index(tree, place, provider)

    report = index.update()

    assert counts(report) == (0, 0) and report.files.indexed == 1
    assert index.check().ok
    assert logical_content(str(place)) == fresh(tree, tmp_path / "fresh")


def test_a_search_does_not_wait_for_a_long_fill(tree: Path, tmp_path: Path, provider: Provider) -> None:
    index = open_index(tree, tmp_path / "ix", provider, embedding_batch=2, embedding_concurrency=2)

    answer = index.search("flush the queue", mode="semantic")

    status = index.status()
    assert len(provider.texts) == 4 + 1 and status.vectors == 4
    assert f"{status.pending_vectors} of {status.chunks} chunks have none yet" in str(answer.degraded)
    assert counts(index.update()) == (0, 0)


def test_without_refresh_the_vectors_of_another_embedder_are_not_asked(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    Index.open(tree, index_dir=str(tmp_path / "ix")).update()

    answer = open_index(tree, tmp_path / "ix", provider).search("flush_queue", mode="semantic", refresh=False)

    assert "another embedder" in str(answer.degraded) and answer.hits[0].path == "core.c"
    assert not provider.batches


def test_similar_asks_no_provider(tree: Path, tmp_path: Path, provider: Provider) -> None:
    index = open_index(tree, tmp_path / "ix", provider)
    index.update()
    always(lambda h, t: h.hang())(provider)
    asked = len(provider.batches)

    answer = index.similar("pkg0/mod_3.py", 8)

    assert answer.hits and answer.degraded is None and len(provider.batches) == asked


def test_lost_vectors_are_asked_for_again_by_a_repair(tree: Path, tmp_path: Path, provider: Provider) -> None:
    index = open_index(tree, tmp_path / "ix", provider)
    index.update()
    before = logical_content(index.directory)
    provider.batches.clear()
    next((tmp_path / "ix" / "vectors").iterdir()).unlink()
    assert not index.check().ok

    assert index.check(repair=True).ok

    assert provider.batches and logical_content(index.directory) == before


def test_a_repair_leaves_pending_what_a_provider_does_not_give(
    tree: Path, tmp_path: Path, provider: Provider
) -> None:
    index = open_index(tree, tmp_path / "ix", provider)
    index.update()
    for path in (tmp_path / "ix" / "vectors").iterdir():
        path.unlink()
    FAILURES["500"][0](provider)

    mended = index.check(repair=True)

    assert mended.ok and mended.pending == mended.chunks
    assert index.check().ok and index.status().state == "behind"


def test_a_vector_that_nobody_waits_for_is_missed(tree: Path, tmp_path: Path, provider: Provider) -> None:
    """Pending is noted chunk by chunk: a lack that is not noted is damage."""
    import sqlite3

    FAILURES["500"][0](provider)
    index = open_index(tree, tmp_path / "ix", provider)
    index.update()
    db = sqlite3.connect(tmp_path / "ix" / "manifest.sqlite")
    db.execute("DELETE FROM pending WHERE chunk % 2")
    db.commit()
    db.close()

    found = index.check()

    assert not found.ok and {p.what for p in found.problems} == {"vectors"}
    provider.behave = lambda handler, texts: False
    assert index.check(repair=True).ok and index.check().ok
    assert index.status().pending_vectors == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedding_url": ""}, "needs an address: set SPELUNK_EMBEDDING_URL"),
        ({"embedding_url": "ftp://x"}, "use an address such as https"),
        ({"embedding_url": "http://"}, "use an address such as https"),
        ({"embedding_url": "http://x:port"}, "use an address such as https"),
        ({"embedding_url": "https://user:sk-secret@x/v1"}, "does not belong into the address"),
        ({"embedding_url": "https://x/v1?key=sk-secret"}, "no query"),
        ({"embedding_key_env": "sk-secret"}, "must be the name of an environment variable"),
        ({"embedder": "api:"}, "unknown embedder 'api:'"),
        ({"embedder": "nobody"}, "unknown embedder 'nobody'"),
        ({"embedding_timeout": "soon"}, "must be a number of seconds"),
    ],
)
def test_settings_that_cannot_be_used(
    tree: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_index(tree, tmp_path / "ix", None, **settings).update()

    assert "sk-secret" not in str(caught.value)


def test_a_workspace_does_not_say_where_texts_and_keys_go(tree: Path) -> None:
    (tree / "spelunk.toml").write_text('embedding_url = "https://evil.invalid"\n')

    index = Index.open(tree)

    assert index.options.embedding_url == "" and [u.name for u in index.untrusted] == ["embedding_url"]


def command(
    tree: Path, place: Path, url: str, *argv: str, faults: str = "", **env: str
) -> subprocess.Popen[str]:
    settings = {f"SPELUNK_{k.upper()}": str(v) for k, v in QUICK.items()}
    settings |= {"SPELUNK_EMBEDDING_URL": url, "SPELUNK_FAULTS": faults} | env
    line = [sys.executable, "-m", "spelunk", *argv[:1], "--index-dir", str(place), *argv[1:]]
    return subprocess.Popen(
        line,
        env={**os.environ, **settings},
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize(
    "point", ["fill.intent", "fill.vectors", "fill.end", "embedder.begin", "embedder.end"]
)
def test_a_kill_in_the_middle_costs_at_most_one_group(
    tree: Path, tmp_path: Path, provider: Provider, point: str
) -> None:
    place = tmp_path / "ix"
    Index.open(tree, index_dir=str(place)).update()  # by another embedder: this is a change of it
    group = 8 * 1 * 4
    env = {"SPELUNK_EMBEDDING_CONCURRENCY": "1"}

    code, _, err = finish(command(tree, place, provider.url, "index", faults=f"{point}=kill", **env))

    assert code == -signal.SIGKILL, err
    assert open_index(tree, place, provider).check().ok
    code, _, err = finish(command(tree, place, provider.url, "index", **env))
    assert code == 0, err
    assert len(provider.texts) - len(set(provider.texts)) <= group
    assert logical_content(str(place)) == fresh(tree, tmp_path / "fresh")
    assert open_index(tree, place, provider).check().ok
    assert {p.name for p in (place / "vectors").iterdir()} == {s.name for s in _segments(place)}


def _segments(place: Path) -> list[Any]:
    from spelunk.store.manifest import Manifest

    manifest = Manifest(str(place))
    try:
        return manifest.segments()
    finally:
        manifest.close()


def test_the_commands_say_what_is_missing_and_why(tree: Path, tmp_path: Path, provider: Provider) -> None:
    import json

    place = tmp_path / "ix"
    FAILURES["500"][0](provider)
    stubborn = {"SPELUNK_BREAKER_WAIT": "3600"}

    code, out, err = finish(command(tree, place, provider.url, "index", "--json", **stubborn))

    report = json.loads(out)
    assert (
        code == 0 and report["pending_vectors"] == report["chunks"] and "answered 500" in report["degraded"]
    )
    assert err.count("\n") == 1
    assert err.startswith(f"spelunk: warning: {report['chunks']} chunks without a vector: ") and "500" in err
    code, out, err = finish(command(tree, place, provider.url, "status", "--json", **stubborn))
    status = json.loads(out)
    assert status["pending_vectors"] == report["chunks"] and status["refused"] == []
    (breaker,) = status["breakers"]
    assert breaker["state"] == "open" and breaker["failures"] == 3
    assert breaker["retry_at"] == pytest.approx(breaker["since"] + 3600, abs=0.01)
    asked = len(provider.batches)
    code, out, err = finish(
        command(tree, place, provider.url, "search", "flush_queue", "-m", "semantic", **stubborn)
    )
    assert code == 0 and "core.c" in out and "degraded: vectors: " in err and "chunks have none yet" in err
    code, out, err = finish(command(tree, place, provider.url, "status", **stubborn))
    assert "embedder     open after 3 failures, next try in" in out
    assert len(provider.batches) == asked
    provider.behave = lambda handler, texts: False

    code, out, err = finish(command(tree, place, provider.url, "index"))

    assert (code, err) == (0, "") and "0 indexed" in out
    code, out, err = finish(command(tree, place, provider.url, "status", "--json"))
    assert json.loads(out)["state"] == "current" and json.loads(out)["breakers"][0]["state"] == "closed"


def test_an_interrupted_fill_ends_at_once(tree: Path, tmp_path: Path, provider: Provider) -> None:
    always(lambda h, t: h.hang())(provider)
    process = command(tree, tmp_path / "ix", provider.url, "index", SPELUNK_EMBEDDING_TIMEOUT="600")
    while not provider.batches:
        assert process.poll() is None, finish(process)
        time.sleep(0.02)

    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)  # the server still hangs, the command does not

    assert code == 130, err
    assert not provider.ending.is_set() and provider.at_work == 1
    provider.behave = lambda handler, texts: False
    assert finish(command(tree, tmp_path / "ix", provider.url, "index"))[0] == 0
    assert logical_content(str(tmp_path / "ix")) == fresh(tree, tmp_path / "fresh")


def test_no_thread_is_left_behind_by_a_healthy_fill(tree: Path, tmp_path: Path, provider: Provider) -> None:
    open_index(tree, tmp_path / "ix", provider).update()

    left = [t for t in threading.enumerate() if t.name.startswith("spelunk")]
    for thread in left:
        thread.join(60)  # the last ones may be on their way out
    assert not [t for t in left if t.is_alive()]
