"""Labelled queries: loading, the measures, groups, the comparison, and the command."""

import json
import math

import pytest

from spelunk.cli import main
from spelunk.errors import UsageError
from spelunk.evaluate.compare import compare, load_results, save_results
from spelunk.evaluate.measures import LabelledQuery, LineSpan, Score, evaluate, mean, score
from spelunk.evaluate.run import load_queries, search_all


def places(*names):
    return [LineSpan(n) for n in names]


def test_a_perfect_answer_scores_one():
    assert score(places("a", "b"), places("b", "a", "c")) == Score(1.0, 1.0, 1.0)


def test_no_answer_scores_nothing():
    assert score(places("a"), []) == Score(0.0, 0.0, 0.0)


def test_a_target_counts_at_its_first_rank_alone():
    found = score(places("a", "b"), places("x", "a", "a", "b"))

    gain = 1 / math.log2(3) + 1 / math.log2(5)
    assert found.ndcg == pytest.approx(gain / (1 + 1 / math.log2(3)))
    assert (found.recall, found.mrr) == (1.0, 0.5)


def test_two_targets_in_one_result_share_its_gain():
    targets = [LineSpan("a", 1, 5), LineSpan("a", 8, 9)]

    found = score(targets, [LineSpan("a", 1, 20)])

    assert found.ndcg == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert found.recall == 1.0


def test_ranks_beyond_the_cutoff_do_not_count():
    assert score(places("a"), places(*"bcdefghijk", "a")) == Score(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("result", "hit"),
    [(LineSpan("a", 1, 9), False), (LineSpan("a", 1, 10), True), (LineSpan("a", 15, 30), True), (LineSpan("a", 21, 30), False), (LineSpan("a"), True), (LineSpan("b", 10, 20), False)],
)  # fmt: skip
def test_lines_must_overlap(result, hit):
    assert result.meets(LineSpan("a", 10, 20)) is hit


def test_groups_and_averages():
    queries = [
        LabelledQuery("one", (LineSpan("a"),), "r1", "go", "symbol"),
        LabelledQuery("two", (LineSpan("a"),), "r1", "go", "prose"),
        LabelledQuery("three", (LineSpan("a"),), "r2", "c", "prose"),
    ]
    found = evaluate(queries, {("r1", "one"): places("a"), ("r2", "three"): places("x", "a")})

    assert found.overall.mrr == pytest.approx(0.5)
    assert found.by_category["symbol"] == Score(1.0, 1.0, 1.0)
    assert found.by_language["go"].mrr == 0.5
    assert found.by_repo["r2"].queries == 1
    assert found.repo_macro == pytest.approx((0.5 + 1 / math.log2(3)) / 2)
    assert mean([]) == Score(0.0, 0.0, 0.0, 0)


def labelled(corpora, each):
    return [LabelledQuery(f"q{n}", (LineSpan("a"),), f"r{r}") for r in range(corpora) for n in range(each)]


def answers(queries, rank):
    return {(q.repo, q.text): places(*["x"] * (rank(q) - 1), "a") for q in queries}


def test_a_gain_everywhere_has_an_interval_above_zero():
    queries = labelled(8, 5)
    before = evaluate(queries, answers(queries, lambda q: 2))
    after = evaluate(queries, answers(queries, lambda q: 1))

    found = compare(queries, after, before)

    assert found.low > 0
    assert found.low <= found.difference <= found.high
    assert (found.unit, found.better, found.worse) == ("corpora", 40, 0)
    assert (found.corpora_better, found.corpora_worse) == (8, 0)


def test_a_gain_in_one_corpus_of_many_may_be_noise():
    queries = labelled(8, 5)
    before = evaluate(queries, answers(queries, lambda q: 2))
    after = evaluate(queries, answers(queries, lambda q: 1 if q.repo == "r0" else 2))

    found = compare(queries, after, before)

    assert found.low == 0 < found.difference


def test_a_run_against_itself_differs_in_nothing():
    queries = labelled(3, 2)
    same = evaluate(queries, answers(queries, lambda q: 3))

    found = compare(queries, same, same)

    assert (found.difference, found.low, found.high) == (0, 0, 0)


def test_one_corpus_is_resampled_by_query():
    queries = labelled(1, 9)
    found = compare(
        queries,
        evaluate(queries, answers(queries, lambda q: 1)),
        evaluate(queries, answers(queries, lambda q: 2)),
    )

    assert found.unit == "queries"


def test_results_are_read_as_they_were_written(tmp_path):
    results = {("r", 'a "query"'): [LineSpan("ü.py", 3, 9), LineSpan("b.py")], ("", "none"): []}
    path = str(tmp_path / "out.jsonl")

    save_results(path, results)

    assert load_results(path) == results


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"query": "x"}', '{"query": "x", "relevant": []}', '{"query": "x", "relevant": [{"p": 1}]}', '{"query": "x", "relevant": ["a"]}'],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "q.jsonl"
    path.write_text('{"query": "x", "relevant": [{"path": "a"}]}\n' + line + "\n")

    with pytest.raises(UsageError, match=r"q\.jsonl:2"):
        load_queries(str(path))


def test_an_empty_or_missing_file_is_told(tmp_path):
    (tmp_path / "q.jsonl").write_text("\n")

    with pytest.raises(UsageError, match="no queries"):
        load_queries(str(tmp_path / "q.jsonl"))
    with pytest.raises(UsageError, match="No such file"):
        load_queries(str(tmp_path / "none.jsonl"))


@pytest.fixture
def corpora(tmp_path):
    root = tmp_path / "corpora"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        (root / name / "parser.py").write_text("def parse_line(text):\n    return text.split()\n")
        (root / name / "writer.py").write_text("def write_line(file, text):\n    file.write(text)\n")
    rows = [
        {"query": "parse_line", "repo": repo, "language": "python", "category": "symbol", "relevant": [{"path": "parser.py"}]}
        for repo in ("one", "two")
    ]  # fmt: skip
    rows.append({"query": "how is a line written", "repo": "one", "category": "prose", "relevant": [{"path": "writer.py", "start_line": 1, "end_line": 2}], "secondary": [{"path": "none.py"}]})  # fmt: skip
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return root


def test_a_run_searches_each_query_in_its_corpus(corpora, tmp_path):
    queries = load_queries(str(tmp_path / "q.jsonl"))

    results, took = search_all(queries, str(corpora))

    assert len(took) == 3
    assert [results[q.repo, q.text][0].path for q in queries] == ["parser.py", "parser.py", "writer.py"]


def test_a_corpus_that_is_not_there_is_named(corpora, tmp_path):
    with pytest.raises(UsageError, match="no corpus three"):
        search_all([LabelledQuery("x", (LineSpan("a"),), "three")], str(corpora))


def test_the_command_prints_one_object(corpora, tmp_path, capsys):
    queries, out = str(tmp_path / "q.jsonl"), str(tmp_path / "out.jsonl")

    assert main(["eval", queries, "--corpora", str(corpora), "--out", out, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["eval", queries, "--corpora", str(corpora), "--against", out, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)

    assert first["queries"] == 3
    assert first["by_category"]["symbol"]["ndcg"] == 1.0
    assert first["by_category"]["prose"]["recall"] == 0.5
    assert first["against"] is None
    assert again["overall"] == first["overall"]
    assert again["against"]["difference"] == 0


def test_the_command_prints_a_table(corpora, tmp_path, capsys):
    assert main(["eval", str(tmp_path / "q.jsonl"), "--corpora", str(corpora)]) == 0

    text = capsys.readouterr().out
    assert "overall" in text
    assert "by category" in text


def test_the_command_tells_of_a_bad_file(corpora, tmp_path, capsys):
    assert main(["eval", str(tmp_path / "none.jsonl"), "--corpora", str(corpora)]) == 2

    assert "none.jsonl" in capsys.readouterr().err
