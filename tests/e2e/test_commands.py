"""Every command, through the real process."""

import json
import os
import shutil
import subprocess

import pytest

HIT = {"path", "start_line", "end_line", "language", "kind", "symbol", "score", "content"}


def test_search_builds_a_missing_index_and_says_so(cli):
    done = cli("search", "flush a batch")

    assert done.returncode == 0
    assert done.stdout.startswith("src/queue.py:")
    assert "no index yet; building it" in done.stderr


def test_results_are_all_that_standard_output_gets(cli):
    cli.ok("index")
    done = cli("search", "flush a batch", "-v")

    assert "1 hit in 3 files (3 chunks)" in done.stderr
    assert "hit in" not in done.stdout


def test_search_json_has_the_documented_object(cli):
    found = cli.json("search", "flush a batch", "-k", "1")

    assert set(found) == {
        "schema_version", "query", "mode", "reading", "took_ms", "degraded", "index", "confident", "hits",
    }  # fmt: skip
    assert set(found["index"]) == {"generation", "files", "chunks", "coverage", "stale"}
    assert [set(hit) for hit in found["hits"]] == [HIT]
    assert found["hits"][0]["path"] == "src/queue.py"
    assert found["degraded"] is None and found["index"]["coverage"] == 1 and not found["index"]["stale"]


def test_jsonl_prints_a_hit_a_line(cli):
    rows = [json.loads(line) for line in cli.ok("search", "connects", "--jsonl").splitlines()]

    assert {row["path"] for row in rows} >= {"src/net/dial.go", "docs/guide.md"}


def test_explain_gives_signals(cli):
    hit = cli.json("search", "flush", "--explain", "-k", "1")["hits"][0]

    assert hit["signals"]
    assert "why: " in cli.ok("search", "flush", "--explain", "-k", "1")


def test_modes_and_filters(cli):
    cli.ok("index")

    assert "dial.go" in cli.ok("search", "Dial", "-m", "symbol")
    assert "queue.py" in cli.ok("search", "-m", "regex", r"disk\.\w+\(")
    assert "dial.go" not in cli.ok("search", "connects", "--lang", "markdown")
    assert "guide.md" not in cli.ok("search", "connects", "--exclude", "docs")
    assert "guide.md" in cli.ok("search", "connects", "--include", "*.md", "--kind", "section")


def test_flags_and_words_may_be_mixed(cli):
    a = cli.ok("search", "flush", "src", "-k", "1", "--color", "never")
    b = cli.ok("--color", "never", "search", "-k", "1", "flush", "src")

    assert a == b


def test_behind_two_dashes_nothing_is_a_flag(cli):
    assert cli("search", "--", "-k").returncode in (0, 1)


def test_context_widens_the_hit(cli, tree):
    body = "".join(f"    total += weight * {n}  # step {n} of the sum\n" for n in range(40))
    functions = [
        f"def {name}(weight):\n    total = 0\n{body}    return total\n" for name in ("one", "two", "three")
    ]
    (tree / "src" / "sums.py").write_text("\n\n".join(functions))

    plain = cli.json("search", "sym:two", "-k", "1")["hits"][0]
    wide = cli.json("search", "sym:two", "-k", "1", "-C", "1")["hits"][0]

    assert (wide["start_line"], wide["end_line"]) == (plain["start_line"] - 1, plain["end_line"] + 1)
    assert plain["content"] in wide["content"]


def test_max_tokens_is_never_exceeded(cli):
    from spelunk.text.token_estimate import token_estimate

    for form in ([], ["--json"], ["--jsonl"], ["--markdown"], ["--full"]):
        for limit in (140, 200):
            out = cli.ok("search", "connects", "--max-tokens", limit, *form)
            assert token_estimate(out) <= limit


def test_a_sub_path_narrows_the_index_of_its_project(cli, tree):
    cli.ok("index")
    hits = cli.json("search", "connects", "src/net")["hits"]

    assert [hit["path"] for hit in hits] == ["src/net/dial.go"]
    assert len(cli.json("list")["workspaces"]) == 1
    assert cli.json("search", "connects", cwd=tree / "docs")["hits"][0]["path"] == "docs/guide.md"
    assert {h["path"] for h in cli.json("search", "connects", "src/net/dial.go", "docs")["hits"]} == {
        "src/net/dial.go",
        "docs/guide.md",
    }


def test_an_ignored_path_is_told_to_be_so(cli):
    cli.ok("index")
    done = cli("search", "noise", "build.log")

    assert (done.returncode, done.stdout) == (1, "")
    assert "build.log is not in the index" in done.stderr and "*.log" in done.stderr


def test_several_workspaces_are_one_corpus_with_prefixes(cli, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text(f"def zebra_{name}():\n    return 'zebra'\n")

    hits = cli.json("search", "zebra", tmp_path / "one", tmp_path / "two")["hits"]

    assert {hit["path"] for hit in hits} == {"one/a.py", "two/a.py"}


def test_nothing_found_is_status_1(cli):
    done = cli("search", "qwertzuiop", "-m", "lexical")

    assert (done.returncode, done.stdout) == (1, "")


def test_a_changed_file_is_found_and_a_vanished_one_is_not(cli, tree):
    cli.ok("index")
    (tree / "src" / "new.py").write_text("def walrus():\n    pass\n")
    (tree / "src" / "queue.py").unlink()

    assert cli.json("search", "walrus", "-k", "1")["hits"][0]["path"] == "src/new.py"
    assert "queue.py" not in cli.ok("search", "flush batch or walrus")


def test_no_refresh_answers_from_the_index_as_it_is(cli, tree):
    cli.ok("index")
    (tree / "src" / "new.py").write_text("def walrus():\n    pass\n")

    assert "new.py" not in cli("search", "walrus", "--no-refresh").stdout


def test_no_refresh_without_an_index_is_refused(cli):
    assert "no index here" in cli.refused("search", "x", "--no-refresh")


def test_index_json_has_the_documented_object(cli, tree):
    report = cli.json("index")

    assert set(report) == {
        "schema_version", "run_id", "root", "generation", "mode", "workers", "seconds", "files", "chunks", "bytes",
        "peak_rss_bytes", "pending_vectors", "refused_vectors", "degraded", "failures", "skipped",
        "history",
    }  # fmt: skip
    f = report["files"]
    assert set(f) == {"seen", "indexed", "unchanged", "removed", "skipped", "failed"}
    assert f["seen"] == f["indexed"] + f["unchanged"] + f["skipped"] + f["failed"]
    assert report["root"] == str(tree)
    assert report["skipped"] == [{"path": "logo.png", "reason": "binary"}]


def test_index_again_finds_nothing_to_do(cli):
    first = cli.json("index")
    again = cli.json("index")

    assert again["files"]["unchanged"] == first["files"]["indexed"]
    assert again["chunks"] == 0
    assert again["generation"] == first["generation"]


def test_index_report_for_people(cli):
    out = cli.ok("index")

    assert "3 indexed" in out
    assert "skipped: 1 binary" in out
    assert "skipped: logo.png: binary" in cli.ok("index", "-v")
    assert cli.ok("index", "-q") == ""


def test_dry_run_writes_nothing(cli):
    assert cli.json("index", "--dry-run")["files"]["indexed"] == 3
    assert cli.json("status")["state"] == "missing"


def test_strict_turns_failed_files_into_status_2(cli, tree):
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    (tree / "secret.py").write_text("x = 1\n")
    (tree / "secret.py").chmod(0)

    assert cli("index").returncode == 0
    done = cli("index", "--strict", "--rebuild")
    assert done.returncode == 2
    assert "failed: secret.py" in done.stdout


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_index_flags_are_settings(cli, mode):
    report = cli.json(
        "index", "--mode", mode, "--workers", 2, "--files-per-batch", 1, "--memory-limit", "1GiB",
        "--storage", "ssd", "--io-threads", 4, "--embedder", "hashed", "--store", "local",
        "--executor", "local", "--rebuild", "--wait",
    )  # fmt: skip

    assert report["mode"] == mode
    assert report["files"]["indexed"] == 3


def test_similar_leaves_the_place_itself_out(cli, tree):
    (tree / "src" / "other.py").write_text(
        'def flush(self, batch):\n    """Write a batch to disk."""\n    self.disk.write(batch)\n'
    )
    cli.ok("index")

    for place in ("src/other.py:1", "src/other.py:1-3"):
        hits = cli.json("similar", place, "-k", "2")["hits"]
        assert hits[0]["path"] == "src/queue.py"
        assert all(hit["path"] != "src/other.py" for hit in hits)
    assert cli.json("similar", "other.py:2", cwd=tree / "src")["hits"][0]["path"] == "src/queue.py"
    assert cli.json("similar", "src/other.py:2", cwd=tree / "src")["hits"][0]["path"] == "src/queue.py"


def test_a_file_belongs_to_the_indexed_folder_that_holds_it(cli, tree):
    cli.ok("index")
    (tree / "empty.py").touch()
    cli.ok("index")
    above = tree.parent

    for name, verdict in (("src/queue.py", "indexed"), ("empty.py", "skipped"), ("gone.py", "missing")):
        shown = json.loads(cli("why", f"project/{name}", "--json", cwd=above).stdout)
        assert (shown["root"], shown["path"], shown["verdict"]) == (str(tree), name, verdict)
    cli("similar", "project/src/queue.py:4", cwd=above)
    assert [w["root"] for w in cli.json("list")["workspaces"]] == [str(tree)]


def test_in_an_indexed_folder_the_paths_are_its_own(cli, tree):
    cli.ok("index", "src")
    cli.ok("index")

    assert json.loads(cli("why", "src/queue.py", "--json").stdout)["root"] == str(tree)


def test_status_names_the_state(cli, tree):
    assert cli.json("status")["state"] == "missing"
    cli.ok("index")
    now = cli.json("status")
    assert now["state"] == "current"
    assert now["files"] == 3 and now["chunks"] == now["vectors"] > 0
    (tree / "new.py").write_text("x = 1\n")
    assert cli.json("status")["state"] == "behind"
    assert "state        behind" in cli.ok("status")


def test_why_names_rule_file_and_line(cli):
    cli.ok("index")
    found = json.loads(cli("why", "build.log", "--json").stdout)

    assert (found["verdict"], found["rule"], found["line"]) == ("ignored", "*.log", 2)
    assert found["source"].endswith(".gitignore")
    assert cli("why", "build.log").returncode == 1
    assert "(.gitignore:2)" in cli("why", "build.log").stdout


def test_why_says_how_a_file_is_indexed(cli, tree):
    cli.ok("index")
    found = cli.json("why", "queue.py", cwd=tree / "src")

    assert found["path"] == "src/queue.py"
    assert found["index"]["language"] == "python"
    assert found["index"]["encoding"] == "utf-8"
    assert found["index"]["chunks"] == sum(found["index"]["kinds"].values()) > 0


def test_why_knows_what_only_the_reader_saw_and_what_is_still_to_come(cli, tree):
    cli.ok("index")
    (tree / "new.py").write_text("x = 1\n")

    assert json.loads(cli("why", "logo.png", "--json").stdout)["verdict"] == "skipped"
    assert json.loads(cli("why", "new.py", "--json").stdout)["verdict"] == "pending"
    assert json.loads(cli("why", "nothing.py", "--json").stdout)["verdict"] == "missing"


def test_list_marks_a_vanished_root(cli, tree, tmp_path):
    cli.ok("index")
    assert cli.json("list")["workspaces"][0]["state"] == "current"
    shutil.move(tree, tmp_path / "moved")

    row = cli.json("list", cwd=tmp_path)["workspaces"][0]

    assert (row["root"], row["state"], row["files"]) == (str(tree), "vanished", 3)
    assert "vanished" in cli.ok("list", cwd=tmp_path)
    cli.ok("clear", "--yes", tree, cwd=tmp_path)
    assert cli.json("list", cwd=tmp_path)["workspaces"] == []


def test_clear_needs_a_yes(cli):
    cli.ok("index")

    assert "--yes" in cli.refused("clear")
    assert cli.json("status")["state"] == "current"
    assert cli.json("clear", "--yes")["cleared"] is True
    assert cli.json("status")["state"] == "missing"
    assert cli("clear", "--yes").returncode == 1


def test_check_agrees_after_every_kind_of_update(cli, tree):
    cli.ok("index")
    (tree / "src" / "queue.py").write_text("def other():\n    pass\n")
    (tree / "docs" / "guide.md").unlink()
    cli.ok("index")

    report = cli.json("check")

    assert report["ok"] is True and report["problems"] == []
    assert report["files"] == 2
    assert cli.ok("check").startswith("ok: 2 files")


def test_index_dir_is_found_again_without_the_flag(cli, tmp_path):
    cli.ok("index", "--index-dir", tmp_path / "ix")

    assert cli.json("status")["directory"] == str(tmp_path / "ix")
    assert cli.json("search", "flush", "-k", "1", "--no-refresh")["hits"]
    assert cli.json("search", "flush", "-k", "1", "--index-dir", tmp_path / "ix", cwd=tmp_path)["hits"]
    assert len(cli.json("list")["workspaces"]) == 1


def test_doctor_is_content_here(cli):
    cli.ok("index")
    found = cli.json("doctor")

    assert found["ok"] is True
    assert {"spelunk", "python", "tantivy", "index folder"} <= {f["what"] for f in found["findings"]}
    assert cli.ok("doctor").startswith("ok    spelunk: ")


def test_doctor_tells_which_extras_are_installed(cli, tmp_path):
    def extras():
        return {f["what"]: f for f in cli.json("doctor")["findings"] if f["what"].startswith("extra ")}

    there = extras()
    assert {f["level"] for f in there.values()} == {"ok"}
    assert "onnxruntime " in there["extra onnx"]["detail"] and "urllib3 " in there["extra remote"]["detail"]

    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tenacity.py").write_text("raise ImportError('half of it is gone')\n")
    cli.env["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(tmp_path / "broken"), os.environ.get("PYTHONPATH")])
    )
    assert extras()["extra remote"]["level"] == "warn"


def test_doctor_fails_on_a_corrupt_index(cli):
    cli.ok("index")
    (manifest,) = cli.home.glob("*/manifest.sqlite")
    manifest.write_bytes(b"not a database" * 100)

    assert cli("doctor").returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_parse(cli, tmp_path, shell):
    script = tmp_path / f"spelunk.{shell}"
    script.write_text(cli.ok("completions", shell))
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")

    subprocess.run([shell, "-n", script], check=True)


def test_bash_completes_commands_flags_and_values(cli, tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    command = tmp_path / "bin" / "spelunk"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {cli.argv[0]} -m spelunk "$@"\n')
    command.chmod(0o755)
    env = cli.env | {"PATH": f"{command.parent}:{os.environ['PATH']}"}
    (tmp_path / "c.bash").write_text(
        cli.ok("completions", "bash")
        + 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _spelunk; echo "${COMPREPLY[*]}"\n'
    )

    def complete(*words):
        done = subprocess.run(
            ["bash", tmp_path / "c.bash", *words], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert complete("spelunk", "sea") == ["search"]
    assert complete("spelunk", "search", "-m", "le") == ["lexical"]
    assert complete("spelunk", "-q", "search", "--exp") == ["--explain"]
    assert complete("spelunk", "--color", "al") == ["always"]
    assert complete("spelunk", "bw", "ref") == ["refresh"]
    assert complete("spelunk", "bw", "refresh", "--of") == ["--offline"]
    assert complete("spelunk", "search", "some", "que") == []  # a file, by bash itself


@pytest.mark.parametrize(("shell", "line"), [("zsh", "search:find chunks"), ("fish", "search\tfind chunks")])
def test_completions_carry_their_help(cli, shell, line):
    assert cli.ok("completions", shell, "--", "sea").startswith(line)
    assert "--explain" in cli.ok("completions", shell, "--", "-q", "search", "--exp")


def test_branchwork_gets_the_rest_of_the_line(cli):
    assert "refresh" in cli.ok("branchwork", "--help")
    assert "refresh" in cli.ok("bw", "--help")


def test_version_and_help(cli):
    from spelunk import __version__

    assert cli.ok("--version") == f"spelunk {__version__}\n"
    assert cli.ok("search", "--version") == f"spelunk {__version__}\n"
    assert "search" in cli.ok("--help")
    assert "--max-tokens" in cli.ok("search", "--help")


def test_colour_where_asked_for_only(cli):
    assert "\x1b[" not in cli.ok("search", "flush")
    assert "\x1b[" in cli.ok("search", "flush", "--color", "always")
    assert "\x1b[" in cli.ok("--color=always", "search", "flush")


def test_a_name_that_is_not_utf_8_is_printed_as_an_escape(cli, tree):
    name = os.fsencode(tree) + b"/caf\xe9.py"
    with open(name, "w") as f:
        f.write("def espresso():\n    pass\n")

    assert cli.ok("search", "espresso", "-k", "1").startswith("caf\\xe9.py:1-2")
    assert cli.json("search", "espresso", "-k", "1")["hits"][0]["path"] == "caf\\xe9.py"
    assert cli.ok("search", "espresso", "-k", "1", env={"LC_ALL": "C", "PYTHONUTF8": "0"})
