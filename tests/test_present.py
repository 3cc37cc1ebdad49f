"""Answers reach people, models and programs whole, safe and within budget."""

from __future__ import annotations

import io
import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spelunk.errors import UsageError
from spelunk.io.printable import printable, use_color
from spelunk.present import render as present
from spelunk.present.render import DEFAULT_VIEW, View
from spelunk.present.snippet import finder, lines_of
from spelunk.search.answer import Answer, MissingWord
from spelunk.search.query import parse
from spelunk.search.terms import matched_by
from spelunk.text.token_estimate import token_estimate
from spelunk.types import Copy, Hit

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

BODY = '''def flush_batches(self, limit):
    """Write every batch that is full."""
    count = 0
    for name in self.names:
        if name in self.skipped:
            continue
        count += 1

    self.started = True
    self.log(count)
    self.writer.commit(limit)
    self.note("batches were committed")
\treturn count
'''


def hit(content: str = BODY, *, path: str = "src/flush.py", start: int = 10, **more: object) -> Hit:
    end = start + max(0, len(lines_of(content)) - 1)
    values: dict[str, object] = {
        "language": "python", "kind": "function", "symbol": "Writer.flush_batches", "score": 0.98765, **more
    }  # fmt: skip
    return Hit(path, start, end, content=content, **values)  # type: ignore[arg-type]


def answer(
    *hits: Hit, query: str = "where are batches committed", mode: str = "hybrid", **more: object
) -> Answer:
    matched = matched_by(parse(query, mode=mode), mode)
    return Answer(query, mode, 1.23456, hits, generation=3, matched=matched, **more)  # type: ignore[arg-type]


def shown_text(given: Answer, view: View = DEFAULT_VIEW) -> str:
    return present.render(given, "text", view).text


def shown_json(given: Answer) -> str:
    return present.render(given, "json").text


def shown_jsonl(given: Answer) -> str:
    return present.render(given, "jsonl").text


def shown_markdown(given: Answer) -> str:
    return present.render(given, "markdown").text


HOSTILE = st.text(alphabet='ab `#\n\t\r\x1b[31m\x07\x9b\u202e\udc80é中\U0001f600\u2028"\\', max_size=60)
HITS = st.lists(
    st.builds(
        lambda content, path, symbol, start, score: hit(content, path=path, start=start, symbol=symbol, score=score),
        st.one_of(HOSTILE, st.integers(1, 30).map(lambda n: "\n".join(f"x{i} = batch({i})" for i in range(n)))),
        HOSTILE, HOSTILE, st.integers(1, 10**6), st.floats(),
    ),
    max_size=6,
).map(tuple)  # fmt: skip


def test_json_has_the_documented_shape() -> None:
    found = json.loads(shown_json(answer(hit(), hit(signals={"bm25": 1.23456789}))))

    first = found["hits"][0]
    assert list(found) == [
        "schema_version", "query", "mode", "reading", "took_ms", "degraded", "index", "confident", "hits",
    ]  # fmt: skip
    assert found["index"] == {"generation": 3, "files": 0, "chunks": 0, "coverage": 1.0, "stale": False}
    assert found["degraded"] is None
    assert found["took_ms"] == 1.23
    assert list(first) == ["path", "start_line", "end_line", "language", "kind", "symbol", "score", "content"]
    assert first["content"] == BODY
    assert first["score"] == 0.9877
    assert found["hits"][1]["signals"] == {"bm25": 1.2346}
    assert found == present.to_object(answer(hit(), hit(signals={"bm25": 1.23456789})))


def test_copies_are_named_in_every_form_and_all_of_them_in_json() -> None:
    copies = tuple(Copy(f"docs/v{n}/a\udcff.md", n, n + 5) for n in (9, 8, 7, 6))
    found = answer(hit(copies=copies))

    assert "+4 copies: docs/v9/a" in shown_text(found) and "v6" not in shown_text(found)
    assert shown_text(answer(hit(copies=copies[:1]))).splitlines()[1].startswith("  +1 copy: docs/v9/a")
    assert "+4 copies: " in shown_markdown(found)
    told = json.loads(shown_json(found))["hits"][0]["copies"]
    assert [(c["start_line"], c["end_line"]) for c in told] == [(9, 14), (8, 13), (7, 12), (6, 11)]
    assert told[0]["path"] == r"docs/v9/a\xff.md"
    assert "copies" not in json.loads(shown_jsonl(answer(hit())))
    assert copies[0].citation == "docs/v9/a\udcff.md:9-14"


def test_missing_words_notes_and_confidence_reach_people_and_programs() -> None:
    missing = (
        MissingWord("reciever", "receiver"),
        MissingWord("tulip\x1b"),
        MissingWord("flushAll", parts=True),
    )
    found = answer(hit(), missing=missing, notes=("a\x1bnote",), confident=False, files=2, chunks=1)

    assert present.notices(found) == [
        "a\\x1bnote",
        "not found: `reciever` (did you mean `receiver`?), `tulip\\x1b`",
        "not found: `flushAll` as a whole (its parts are)",
        "no confident hit: the best ones share little with the query",
    ]
    told = json.loads(shown_json(found))
    assert told["missing"][0] == {"word": "reciever", "nearest": "receiver", "parts": False}
    assert told["notes"] == ["a\x1bnote"] and told["confident"] is False
    assert present.searched(found) == "1 hit in 2 files (1 chunk), generation 3, 1 ms"
    assert present.searched(answer()).startswith("nothing found in 0 files (0 chunks)")
    assert not any("confident" in line for line in present.notices(answer(confident=False)))


def test_jsonl_is_one_hit_a_line() -> None:
    lines = shown_jsonl(answer(hit(), hit("a\nb"))).splitlines()

    assert [json.loads(line)["content"] for line in lines] == [BODY, "a\nb"]


def test_a_path_that_is_not_utf8_is_printable_in_every_form() -> None:
    strange = answer(hit(path="a\udcff.py"))

    for form in present.FORMS:
        present.render(strange, form).text.encode()
    assert json.loads(shown_json(strange))["hits"][0]["path"] == r"a\xff.py"
    assert r"a\xff.py:10-22" in shown_text(strange)


def test_text_shows_the_definition_and_the_best_lines() -> None:
    shown = shown_text(answer(hit()))

    assert shown == (
        "src/flush.py:10-22  function Writer.flush_batches  0.988\n"
        "10:def flush_batches(self, limit):\n"
        "--\n"
        "18-    self.started = True\n"
        "19-    self.log(count)\n"
        "20:    self.writer.commit(limit)\n"
        '21:    self.note("batches were committed")\n'
        "22-\treturn count\n"
    )


def test_text_can_show_everything_or_the_surroundings_of_matches() -> None:
    full = shown_text(answer(hit()), View(full=True))
    around = shown_text(answer(hit(), query="writer.commit"), View(context=1))

    assert [line.split(":", 1)[-1] for line in full.splitlines()[1:2]] == [BODY.splitlines()[0]]
    assert len(full.splitlines()) == 1 + len(BODY.splitlines())
    # "Write" has the stem of "writer", by which the search finds it.
    shown = [line[:3] for line in around.splitlines()[1:]]
    assert shown == ["10-", "11:", "12-", "--", "19-", "20:", "21:", "22-"]


def test_a_regex_decides_the_lines_and_the_marks() -> None:
    shown = shown_text(answer(hit(), query=r"/self\.l\w+/"), View(color=True, context=0))

    assert "\x1b[1;31mself.log\x1b[0m(count)" in shown
    assert len(shown.splitlines()) == 2


def test_colour_marks_matches_and_only_on_request() -> None:
    coloured = shown_text(answer(hit()), View(color=True))
    plain = shown_text(answer(hit()))

    assert "\x1b[1;31mcommit\x1b[0m" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain
    assert "\x1b" not in plain


def test_a_very_long_line_is_cut_around_its_match() -> None:
    shown = shown_text(answer(hit("x" * 5000 + " commit " + "y" * 5000, symbol="")))

    assert "commit" in shown
    assert len(shown) < 500


def test_line_numbers_are_the_editors_with_windows_line_ends() -> None:
    shown = shown_text(answer(hit("a\r\ncommit\x0cb\r\n", symbol="")))

    assert shown.splitlines()[1:] == ["10-a", r"11:commit\x0cb"]


@given(HITS, st.booleans())
def test_nothing_of_a_file_can_steer_a_terminal(hits: tuple[Hit, ...], explain: bool) -> None:
    hostile = answer(*hits, query="a \x1b[2J batch", degraded="\x1b]0;x\x07")

    for form in present.FORMS:
        assert not UNSAFE.search(present.render(hostile, form).text)
    coloured = shown_text(hostile, View(color=True))
    assert not UNSAFE.search(re.sub("\x1b\\[(?:0|2|32|35|1;31)m", "", coloured))
    assert not any(UNSAFE.search(line) for line in present.notices(hostile))


@given(HITS)
def test_json_contents_are_verbatim_but_for_half_characters(hits: tuple[Hit, ...]) -> None:
    found = json.loads(shown_json(answer(*hits)))

    assert [h["content"] for h in found["hits"]] == [
        re.sub("[\ud800-\udfff]", "\ufffd", h.content) for h in hits
    ]


@settings(deadline=None)
@given(HITS, st.sampled_from(present.FORMS), st.integers(0, 900), st.booleans(), st.booleans())
def test_a_token_budget_is_never_exceeded(
    hits: tuple[Hit, ...], form: str, tokens: int, full: bool, color: bool
) -> None:
    view = View(max_tokens=tokens, full=full, color=color)
    try:
        shown, fitted = present.render(answer(*hits), form, view)
    except UsageError as error:
        assert form == "json" and str(tokens) in str(error)
        return

    assert token_estimate(shown) <= tokens
    assert len(fitted.hits) + fitted.dropped == len(hits)
    assert all(kept.path == given.path and given.content.startswith(kept.content)
               for kept, given in zip(fitted.hits, hits, strict=False))  # fmt: skip


def test_the_first_hit_that_does_not_fit_is_cut_at_a_line_end() -> None:
    text, fitted = present.render(answer(hit(), hit(), hit()), "json", View(max_tokens=490))

    last = fitted.hits[-1]
    assert (len(fitted.hits), fitted.dropped, fitted.truncated) == (2, 1, 1)
    assert BODY.startswith(last.content + "\n")
    assert last.end_line == last.start_line + last.content.count("\n")
    assert present.notices(fitted) == ["1 hit left out and 1 cut short to stay within --max-tokens"]
    assert json.loads(text)["dropped"] == 1


def test_markdown_fences_contain_their_content() -> None:
    shown = shown_markdown(answer(hit("a\n````\nb")))

    assert shown.startswith(
        "### `src/flush.py:10-12`\nfunction Writer.flush_batches (0.988)\n\n`````python\n"
    )
    assert "\n````\nb\n`````\n" in shown


def test_notices_say_what_the_hits_do_not() -> None:
    assert present.notices(answer()) == []
    assert present.notices(answer(degraded="qdrant is down", coverage=0.999, stale=True)) == [
        "degraded: qdrant is down",
        "only 99 % of the files are indexed so far",
    ]
    assert present.notices(answer(coverage=0.002)) == ["less than 1 % of the files are indexed so far"]
    assert present.notices(answer(stale=True)) == [
        "files have changed since they were indexed",
    ]


def test_printable() -> None:
    assert printable("a\tb\x1b\x9b\u202e\udc80\ud800é") == r"a" + "\t" + r"b\x1b\x9b\u202e\x80\ud800é"


@pytest.mark.parametrize(
    ("choice", "terminal", "environ", "expected"),
    [
        ("auto", True, {}, True), ("auto", False, {}, False), ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False), ("always", False, {"NO_COLOR": "1"}, True), ("never", True, {}, False),
    ],
)  # fmt: skip
def test_colour_choice(choice: str, terminal: bool, environ: dict[str, str], expected: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    assert use_color(choice, Stream(), environ) is expected


@given(st.text(max_size=80), st.text(max_size=80))
def test_token_estimates_add_up_at_line_ends(a: str, b: str) -> None:
    assert token_estimate(a + "\n" + b) == token_estimate(a) + 1 + token_estimate(b)


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["hybrid", "symbol", "regex"]))
def test_marks_are_in_order_whatever_the_query(query: str, line: str, mode: str) -> None:
    try:
        parsed = parse(query, mode=mode)
    except UsageError:
        return
    spans = finder(matched_by(parsed, mode)).spans(line)

    assert all(a < b for a, b in spans)
    assert spans == sorted(spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
