"""Flags of ripgrep: types, globs, exact text, whole words, and the forms of places."""

from __future__ import annotations

import pytest

from spelunk import Index
from spelunk.cli import COMMANDS
from spelunk.cli.commands import search
from spelunk.cli.parser import command_parser, parse
from spelunk.errors import UsageError
from spelunk.files.languages import LANGUAGES
from spelunk.files.rg_glob import path_globs
from spelunk.files.type_names import TYPES, languages_of_type, type_list
from spelunk.present.places import from_here, places_text
from spelunk.search.answer import Answer, Matched
from spelunk.search.query import as_matched
from spelunk.search.query import parse as parse_query
from spelunk.store.path_filter import path_predicate
from spelunk.text import regex
from spelunk.text.whole_words import whole_words_literal, whole_words_regex
from spelunk.types import Hit


def parsed(*words: str):
    return parse(command_parser("search", COMMANDS["search"].summary, search.configure), words)


# Types


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("py", ("python",)),
        ("js", ("javascript", "tsx", "vue")),
        ("ts", ("typescript", "tsx")),
        ("cpp", ("cpp",)),
        ("rust", ("rust",)),
        ("Markdown", ("markdown",)),
        ("sh", ("bash",)),
        ("haskell", ("haskell",)),
    ],
)
def test_names_of_ripgrep_are_languages(name, expected):
    assert languages_of_type(name) == expected


def test_every_type_names_languages_that_exist():
    assert {x for some in TYPES.values() for x in some} <= LANGUAGES


def test_an_unknown_type_names_the_nearest_and_the_way_out():
    with pytest.raises(UsageError, match=r"unknown type 'pythn'; did you mean python\?.*-g"):
        languages_of_type("pythn")


def test_the_list_has_a_line_for_each_type():
    lines = type_list().splitlines()
    names = [line.partition(":")[0].partition(" ")[0] for line in lines]

    assert names == sorted(names) and {*TYPES, *LANGUAGES} == set(names)
    assert any(line.startswith("ts (typescript, tsx): *.ts, ") for line in lines)


# Globs


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.py", ["a.py", "src/a.py"], ["a.pyc", "py"]),
        ("src/*.py", ["src/a.py"], ["lib/src/a.py", "src/net/a.py"]),
        ("/a.py", ["a.py"], ["src/a.py"]),
        ("**/net/*.go", ["net/a.go", "src/net/a.go"], ["net.go"]),
        ("src/**", ["src/a", "src/b/c"], ["lib/src/a"]),
        ("Makefile", ["Makefile", "lib/Makefile"], ["Makefile.am", "lib/GMakefile"]),
        ("vendor/", ["vendor/a.c", "x/vendor/b"], ["vendored/a.c"]),
        ("*.{ts,tsx}", ["a.ts", "x/b.tsx"], ["a.tsxx", "ts"]),
        ("{src,lib}/{a,b}.c", ["src/a.c", "lib/b.c"], ["src/c.c"]),
        ("[ab].c", ["a.c", "x/b.c"], ["c.c"]),
    ],
)
def test_a_glob_is_that_of_an_ignore_file(glob, yes, no):
    included, excluded = path_globs([glob])
    tests = [path_predicate(g) for g in included]

    assert excluded == ()
    assert [p for p in yes if not any(t(p) for t in tests)] == []
    assert [p for p in no if any(t(p) for t in tests)] == []
    assert path_globs(["!" + glob]) == ((), included)


@pytest.mark.parametrize("glob", ["", "!", "/", "!/"])
def test_an_empty_glob_is_refused(glob):
    with pytest.raises(UsageError, match="give a pattern"):
        path_globs([glob])


def test_braces_are_bounded():
    with pytest.raises(UsageError, match="braces"):
        path_globs(["{a,b,c,d}" * 8])


# Whole words and case


@pytest.mark.parametrize(
    ("literal", "text", "found"),
    [
        ("flush", "self.flush()", True),
        ("flush", "flush_batches", False),
        ("flush(", "x.flush(y)", False),
        ("flush(", "x.flush( y)", True),
        ("-Wall", "gcc -Wall", True),
        ("-Wall", "gcc=x-Wall", False),
        ("()", "f()", False),
        ("()", "(())", True),
        ("größe", "die größe ist", True),
        ("größe", "größen", False),
        ("ärger", "kein ärger", True),
        ("ärger", "verärgert", False),
    ],
)
def test_whole_words_of_a_literal(literal, text, found):
    assert bool(regex.compile(whole_words_literal(literal)).search(text)) is found


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"fo+", "a fooo b", True),
        (r"fo+", "a fooob", False),
        (r"\(x\)", "f(x)", False),
        (r"\(x\)", "f (x) + 1", True),
        (r"\(\w\)|y", "f(x)", False),
        (r"\(\w\)|y", "f((x))", True),
        (r"\(\w\)|y", "f y", True),
        (r"\(\w\)|y", "fy", False),
        (r"x|xy", "xy", True),
        (r"^#\s*if", "#if", True),
        (r"[^a-z]\d{2,}", "a-12", False),
        (r"[^a-z]\d{2,}", "a -12", True),
        (r"-?\d+", "a-1", True),
        (r"-?\d+", "a -1", True),
        (r"\pL+", "größe", True),
        (r"[[:alpha:]]+x", "ax1", False),
        (r"\w*", "a", True),
    ],
)
def test_whole_words_of_a_regex_have_no_word_character_beside_them(pattern, text, found):
    assert bool(regex.compile(whole_words_regex(pattern)).search(text)) is found


def test_whole_words_and_case_of_a_query():
    query = as_matched(parse_query("flush /Disk/"), whole_words=True, ignore_case=True)

    assert query.regexes == (r"(?i)\b(?:Disk)\b", r"(?i)\b(?:flush)\b")
    with pytest.raises(UsageError, match="no word"):
        as_matched(parse_query("lang:go"), whole_words=True)
    with pytest.raises(UsageError, match="at most 12"):
        as_matched(parse_query(" ".join(f"w{n}" for n in range(13))), whole_words=True)


SUM = "def {}(weight):\n" + "".join(f"    total += weight * {n}  # step {n} of the sum\n" for n in range(40))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    root = tmp_path_factory.mktemp("flags")
    for name, text in {
        "one.py": "def flush(disk):\n    disk.write()\n\n\ndef other():\n    flush_all()\n",
        "two.py": "def flush_all(Disk):\n    Disk.flushing = True\n",
        "three.go": "package p\n\nfunc Flush() {\n\tgrow(1)\n}\n",
        "notes.md": "# Notes\n\nflush the disk.\n",
        "sums.py": "\n\n".join(map(SUM.format, ("first", "second", "third"))),
    }.items():
        (root / name).write_text(text)
    with Index.open(str(root), index_dir=str(tmp_path_factory.mktemp("ix") / "ix")) as opened:
        opened.update()
        yield opened


def paths(answer):
    return {hit.path for hit in answer.hits}


def test_only_chunks_with_the_whole_word_are_found(index):
    assert paths(index.search("flush")) >= {"one.py", "two.py"}
    assert paths(index.search("flush", whole_words=True)) == {"one.py", "three.go", "notes.md"}
    assert paths(index.search(r"disk\.\w+", mode="regex")) == {"one.py"}
    assert paths(index.search(r"disk\.\w+", mode="regex", ignore_case=True)) == {"one.py", "two.py"}
    assert paths(index.search("flush", mode="regex", whole_words=True)) == {"one.py", "notes.md"}


def test_languages_that_are_left_out(index):
    found = index.search("flush", not_languages=["python", "md"])

    assert paths(found) == {"three.go"}


def test_lines_before_and_after_are_added_to_a_hit(index):
    plain = index.search("sym:second", limit=1).hits[0]
    wide = index.search("sym:second", limit=1, before=2, after=1).hits[0]

    assert (wide.start_line, wide.end_line) == (plain.start_line - 2, plain.end_line + 1)
    with pytest.raises(UsageError, match="lines of context"):
        index.search("x", before=-1)


# Words of the command line


def test_flags_may_be_run_together():
    args = parsed("-ilC", "3", "query", "-tpy", "-g", "!*.md", "src")

    assert (args.ignore_case, args.form, args.context, args.type, args.glob, args.query, args.paths) == (
        True, "files", 3, ["py"], ["!*.md"], "query", ["src"],
    )  # fmt: skip


def test_a_side_outranks_the_context_of_both():
    request = search.request_of(parsed("x", "-C", "5", "-A", "1"), [])

    assert (request.context, request.before, request.after) == (0, 5, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("x", "-0"),
        ("x", "-l", "--max-tokens", "100"),
        ("-F", "x", "-m", "symbol"),
        ("x", "-t", "nothing-at-all"),
    ],
)
def test_flags_that_do_not_go_together(words):
    with pytest.raises(UsageError):
        search.request_of(parsed(*words), [])


def test_a_list_of_files_asks_for_all_that_match_exactly():
    assert search.request_of(parsed("-F", "x(", "-l"), []).limit == 10_000
    assert search.request_of(parsed("-F", "x(", "-l", "-k", "7"), []).limit == 10_000
    assert search.request_of(parsed("-F", "x(", "--vimgrep", "-k", "7"), []).limit == 7
    assert search.request_of(parsed("-F", "x(", "-l"), []).query == r"x\("
    assert search.request_of(parsed("x", "-l"), []).limit == 50
    assert search.request_of(parsed("x"), []).limit == 10


# Places


def hit(path, start, content, root="/w"):
    lines = content.count("\n")
    return Hit(
        path=path, start_line=start, end_line=start + lines - 1, language="python", kind="block", symbol="",
        score=1.0, content=content, signals={}, chunk_id="0", root=root,
    )  # fmt: skip


ANSWER = Answer(
    "flush",
    "hybrid",
    1.0,
    (
        hit("b/two.py", 5, "x\nflush, ä flush\n"),
        hit("a.py", 1, "none of it\n"),
        hit("b/two.py", 9, "flush\n"),
    ),
    matched=Matched(frozenset(["flush"])),
)


def test_places_of_an_answer():
    assert places_text(ANSWER, "files", {}, "/w") == "b/two.py\na.py\n"
    assert places_text(ANSWER, "files", {}, "/w", limit=1) == "b/two.py\n"
    assert places_text(ANSWER, "files", {}, "/w/b", null=True) == "two.py\0/w/a.py\0"
    assert places_text(ANSWER, "count", {}, "/w") == "b/two.py:2\na.py:0\n"
    assert places_text(ANSWER, "vimgrep", {}, "/w") == (
        "b/two.py:6:1:flush, ä flush\nb/two.py:6:11:flush, ä flush\nb/two.py:9:1:flush\na.py:1:1:none of it\n"
    )


def matched_by(pattern, *hits):
    return Answer(pattern, "regex", 1.0, hits, matched=Matched(frozenset(), regexes=(pattern,)))


def test_lines_that_match_the_empty_text_count():
    answer = matched_by("^$", hit("a.py", 1, "x\n\ny\n\n\n"))

    assert places_text(answer, "count", {}, "/w") == "a.py:3\n"
    assert places_text(answer, "vimgrep", {}, "/w") == "a.py:2:1:\na.py:4:1:\na.py:5:1:\n"


def test_a_match_across_lines_counts_where_it_begins():
    answer = matched_by(r"f\(\s*b", hit("a.py", 4, "x\nyf(\n  b\n"), hit("b.py", 8, "f(\n"))

    assert places_text(answer, "count", {}, "/w") == "a.py:1\nb.py:1\n"
    assert places_text(answer, "vimgrep", {}, "/w") == "a.py:5:2:yf(\nb.py:8:1:f(\n"


def test_places_of_several_workspaces_are_found_on_the_disk():
    answer = Answer("x", "hybrid", 1.0, (hit("one/src/a.py", 1, "flush\n", "/w/one"),))

    assert places_text(answer, "files", {"/w/one": "one/"}, "/elsewhere") == "/w/one/src/a.py\n"


def test_paths_from_here():
    assert from_here("/w/a/b", "/w") == "a/b"
    assert from_here("/wide/a", "/w") == "/wide/a"
    assert from_here("/a", "/") == "a"


def test_the_table_of_types_is_that_of_ripgrep():
    """Where ripgrep is installed: each of its types that is a language is known here."""
    import shutil
    import subprocess

    rg = shutil.which("rg")
    if rg is None:
        pytest.skip("ripgrep is not installed")
    listed = subprocess.run([rg, "--type-list"], capture_output=True, text=True, check=True).stdout
    unknown = []
    for line in listed.splitlines():
        name, _, globs = line.partition(": ")
        try:
            meant = languages_of_type(name)
        except UsageError:
            unknown.append(name)
            continue
        assert meant and globs
    assert not {"c", "cpp", "go", "java", "js", "json", "md", "py", "ruby", "rust", "sh", "ts", "yaml"} & set(
        unknown
    )
    assert len(unknown) < len(listed.splitlines()) / 2, unknown
