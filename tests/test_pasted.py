"""Pasted text: what counts how much, what is found in it, and that any text is read in bounded time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.pasted import Pasted, read_pasted
from spelunk.pasted import read as reader
from spelunk.text.tokens import words

ISSUE = """
[Bug]: Router drops the trailing slash

<!-- Please search the tracker first. Thanks for your patience! -->
### Describe the bug

Since 2.3 `Router.match()` drops the slash, see `src/router/match.py`.
`strict_slashes` is ignored. The slash matters to our proxy.

### To Reproduce

```python
app = Router(strict_slashes=True)
app.add("/about/", handler)
```

### Environment

- OS: Debian 12
- Python version: 3.11.4
- werkzeug 2.3.1

### Additional context

_No response_

- [x] I have read the contributing guide
"""


@pytest.fixture(scope="module")
def issue() -> Pasted:
    return read_pasted(ISSUE)


def test_the_title_is_the_first_line_without_its_label(issue: Pasted) -> None:
    assert issue.title == "Router drops the trailing slash"


def test_a_heading_of_a_form_is_no_title() -> None:
    assert read_pasted("### Describe the bug\n\nThe cache leaks.\n").title == "The cache leaks."


def test_a_trace_alone_is_titled_by_its_error() -> None:
    text = (
        'Traceback (most recent call last):\n  File "a/b.py", line 3, in f\n    g()\nKeyError: no such key\n'
    )

    assert read_pasted(text).title == "KeyError: no such key"


def test_words_weigh_by_their_region(issue: Pasted) -> None:
    weight = issue.words

    assert (
        weight["trailing"] > weight["proxy"] > weight["handler"] > weight["Debian"] > weight["patience"] > 0
    )
    assert weight["Debian"] > weight["contributing"]


def test_a_repeated_word_weighs_more_but_not_in_proportion() -> None:
    read = read_pasted("Title here\n\n" + "queue " * 10 + "disk")

    assert 1 < read.words["queue"] / read.words["disk"] < 5


def test_names_are_those_of_code_and_not_english(issue: Pasted) -> None:
    assert {"Router.match", "match", "strict_slashes"} <= set(issue.names)
    assert not {"Since", "slash", "matters", "Debian"} & set(issue.names)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("it calls flushBatches twice", "flushBatches"),
        ("it calls flush() twice", "flush"),
        ("the `hue` argument", "hue"),
        ("std::vector overflows", "std::vector"),
        ("pass --ignore-paths", "ignore-paths"),
        (r"in App\Http\Kernel", r"App\Http\Kernel"),
        ("foo->barBaz fails", "foo->barBaz"),
        ("warning W0511 is lost", "W0511"),
    ],
)
def test_a_name_is_known_by_its_shape(text: str, name: str) -> None:
    assert name in read_pasted(f"Title\n\n{text}").names


def test_paths_and_modules_are_places(issue: Pasted) -> None:
    assert ("src/router/match.py", "path") in [(p.path, p.source) for p in issue.places]

    places = read_pasted("The loader\n\nimport fails in acme.store.loader and crate::io::file").places
    assert {(p.path, p.source) for p in places} == {
        ("acme/store/loader", "module"),
        ("crate/io/file", "module"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "and so on, e.g. this",
        "on 2024-05-01 at 10:20:30",
        "1/2 of N/A",
        "a.b",
        r"Welcome\n\nContent",
        "</div>",
    ],
)
def test_what_only_looks_like_a_path_is_no_place(text: str) -> None:
    assert read_pasted(f"Title\n\n{text}").places == ()


@pytest.mark.parametrize(
    ("title", "path"),
    [("autodoc: empty list is ignored", "autodoc"), ("fix(router): keep the slash", "router"),
     ("[Console] Fix a typo", "Console"), ("net/http: close the body", "net/http")],
)  # fmt: skip
def test_the_component_of_a_title_is_a_place(title: str, path: str) -> None:
    assert path in [p.path for p in read_pasted(title + "\n\nMore of it here.").places]


@pytest.mark.parametrize(
    "title", ["Fix: a typo", "Bug: it crashes", "ValueError: bad value", "Question: why?"]
)
def test_a_label_is_no_component(title: str) -> None:
    assert read_pasted(title + "\n\nMore of it here.").places == ()


def test_an_installed_package_must_fit_as_a_whole() -> None:
    text = 'File "/opt/lib/python3.9/site-packages/pandas/core/frame.py", line 1, in f'

    (place,) = [p for p in read_pasted(text).places if p.source == "frame"]

    assert (place.path, place.least) == ("pandas/core/frame.py", 3)


def test_the_root_cause_is_the_strongest_trace() -> None:
    text = (
        "java.lang.RuntimeException: outer\n\tat a.Outer.run(Outer.java:1)\n"
        "Caused by: java.io.IOException: inner\n\tat a.Inner.read(Inner.java:2)\n"
    )

    assert [p.path for p in read_pasted(text).places if p.source == "frame"] == [
        "a/Inner.java",
        "a/Outer.java",
    ]


def test_a_frame_of_a_standard_library_counts_little() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/src/app/load.py", line 5, in load\n    json.loads(x)\n'
        '  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads\n    return d(s)\n'
    )

    first, second = [p for p in read_pasted(text).places if p.source == "frame"]

    assert first.path == "src/app/load.py" and first.weight > 5 * second.weight


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "ValueError: File must be opened in binary mode",
            "ValueError",
            "File must be opened in binary mode",
        ),
        ("OSError: [Errno 28] No space left on device", "OSError", "No space left on device"),
        ("E   acme.LoadError: cannot load '/etc/x' now", "acme.LoadError", "cannot load"),
        ("Caused by: java.io.IOException: stream 12 is closed", "java.io.IOException", "is closed"),
        ("** (ArgumentError) argument error: not a tuple", "ArgumentError", "argument error: not a tuple"),
        ("error[E0308]: mismatched types in x", "E0308", "mismatched types in x"),
        ("connect ECONNREFUSED 127.0.0.1:80", "ECONNREFUSED", None),
        ('it prints "no number is assigned for table: 7"', None, "no number is assigned for table"),
    ],
)
def test_errors_and_the_constant_pieces_of_messages(
    text: str, error: str | None, message: str | None
) -> None:
    read = read_pasted(f"It fails\n\n{text}")

    assert error is None or error in read.errors
    assert message is None or message in read.messages


def test_a_message_behind_the_label_of_the_first_line_counts() -> None:
    read = read_pasted('Error: Failed to resolve "x.vue". Does the file exist?\n    at f (/x/a.js:51:20)\n')

    assert read.messages == ("Failed to resolve", "Does the file exist")


@pytest.mark.parametrize(
    ("text", "test", "subject"),
    [
        ("test_flush_batch fails", "test_flush_batch", "flush_batch"),
        ("TestQueue.test_push fails", "TestQueue", "Queue"),
        ("QueueTest fails", "QueueTest", "Queue"),
        ("see src/queue.test.ts", None, None),
        ("see pkg/queue_test.go", "queue_test", "queue"),
        ("FAILED tests/test_queue.py::TestPush::test_empty[1]", "test_empty", "empty"),
    ],
)
def test_the_name_of_a_test_tells_what_is_tested(text: str, test: str | None, subject: str | None) -> None:
    read = read_pasted(f"It fails\n\n{text}")

    assert test is None or test in read.tests
    assert subject is None or subject in read.subjects


def test_the_sentence_counts_what_was_found(issue: Pasted) -> None:
    assert issue.describe() == f"read as text: {issue.count} words, 1 path"
    assert read_pasted("").describe() == "read as text: no words"
    assert "its middle by words only" in read_pasted("word\n" * 50_000).describe()


def test_the_ends_of_a_huge_text_are_analysed_and_its_middle_gives_words() -> None:
    text = (
        "First title\n"
        + "filler line\n" * 20_000
        + "needle\n"
        + "filler line\n" * 20_000
        + "lib/end.py:3: error: bad\n"
    )

    read = read_pasted(text)

    assert read.partial and read.title == "First title"
    assert ("lib/end.py", 3) in [(p.path, p.line) for p in read.places]
    assert read.words["needle"] > 0


PIECES = st.sampled_from(
    ["word ", "\n", "```", "~~~\n", "    ", "<!--", "-->", "# ", "**", "`", '"', "'", "a/b.py", ":12", "(3)", " in ", "at ",
     'File "', "Error: ", "E   ", "::", "\\", "@", "#0 ", "0x1f ", "test_", "{", "[", "](", "http://x/", "é", "\ud800", "\0",
     "Traceback (most recent call last):\n", "Caused by: ", "goroutine 1", "+++ b/", "@@ -1 +2 @@", "> ", "-> 3", "$", "---\n"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_is_read(text: str) -> None:
    read = read_pasted(text)

    assert set(words(text)) - set(read.words) <= {w for w in words(text) if len(w) > 120}
    assert all(w > 0 for w in read.words.values())
    assert all(
        0 < p.weight <= 1 and p.path and not p.path.startswith("/") and "\\" not in p.path
        for p in read.places
    )
    assert all(p.line is None or p.line >= 0 for p in read.places)
    assert read.describe().startswith("read as text: ")
    assert read_pasted(text) == read


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "/a", "(", "`", '"a ', "at ", "#1 ", "<!--", "a:1:", "foo_ ", "[x](", "=a", 'File "', "a@", "a\n", "    x\n",
     "in x(", "::a", "\\a", "- ", "\n> ", "**a", "{a", "x-", "--a-b ", "a/b.py:1: "],
)  # fmt: skip
def test_the_work_on_a_line_grows_with_its_length_alone(unit: str) -> None:
    """Compares the time on a text with that on one of four times its length: twice what is linear is allowed."""
    import time

    def seconds(n: int) -> float:
        text = (unit * n)[: n * 4]
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            read_pasted(text)
            best = min(best, time.process_time() - began)
        return best

    small, large = seconds(2_000), seconds(8_000)

    assert large < 8 * small + 0.05


def test_a_megabyte_is_analysed_at_its_ends_only(monkeypatch: pytest.MonkeyPatch) -> None:
    analysed: list[int] = []
    original = reader._Reading.part

    def counted(self: reader._Reading, text: str) -> None:
        analysed.append(len(text))
        original(self, text)

    monkeypatch.setattr(reader._Reading, "part", counted)
    r = random.Random(1)
    text = " ".join(f"word{r.randrange(10**6)}" for _ in range(100_000))
    read = read_pasted(text)

    assert sum(analysed) <= reader.MAX_HEAD + reader.MAX_TAIL
    assert len(read.words) == reader.MAX_WORDS and read.count == 100_000
    assert len(read.places) <= reader.MAX_PLACES and len(read.names) <= reader.MAX_NAMES
