"""Logs and metrics of the real command: every line JSON, a file however it ends, a port that is scraped."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.tools import tool

JSON = ("--log-format", "json")
PROMETHEUS = tool("prometheus")


def objects(text):
    """Every line of standard error as an object."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "event", "run_id"} <= set(o) for o in found)
    assert len({o["run_id"] for o in found}) <= 1
    assert text.isascii()
    return found


def samples(text):
    return {
        (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if k != "workspace"))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def outcomes(path):
    found = samples(Path(path).read_text())
    return {
        dict(labels)["outcome"]: v
        for (n, labels), v in found.items()
        if n == "spelunk_index_runs_total" and v
    }


@pytest.fixture
def held(cli, tree):
    """A run whose workers are stopped in the middle; ends with the test."""
    for n in range(300):
        body = "\n\n".join(f"def work_{n}_{i}(a, b):\n    return a + b * {i}" for i in range(40))
        (tree / "src" / f"module{n}.py").write_text(body)
    started, stopped = [], []

    def start(*args):
        process = subprocess.Popen(
            [*cli.argv, "index", "--mode", "parallel", "--workers", "2", *args], cwd=tree, env=cli.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        while process.poll() is None and not list(cli.home.glob("*/lexical-*")):
            time.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGSTOP)
        stopped.extend(map(int, children))
        return process, list(map(int, children))

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
    for child in stopped:  # a worker that is stopped does not see that its parent has gone
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGCONT)


# JSON


def test_a_run_is_told_in_json_with_one_name(cli, tree):
    done = cli("index", *JSON, "-vv", "--json")

    told = objects(done.stderr)
    report = json.loads(done.stdout)
    assert [o["event"] for o in told if o["level"] == "info"] == [
        "run-started", "planned", "workers-chosen", "published", "run-ended"
    ]  # fmt: skip
    assert {o["run_id"] for o in told} == {report["run_id"]}
    assert told[0]["settings"]["files_per_batch"] == 100


def test_the_name_is_in_the_report_for_people(cli, tree):
    done = cli("index", "-v")

    (name,) = re.findall(r"^run (\S+)$", done.stdout, re.M)
    assert f"run={name}" in done.stderr


def test_without_flags_nothing_is_told_but_the_report(cli, tree):
    (tree / "secret.py").write_text("x = 1\n")
    (tree / "secret.py").chmod(0)

    assert cli("index").stderr == ""
    told = cli("search", "flush", *JSON).stderr.splitlines()
    assert len(told) == 1 and " in 4 files (4 chunks), generation 1" in json.loads(told[0])["message"]


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["index", "nowhere"], "no such folder"),
        (["serach"], "did you mean"),
        ([], "no command"),
        (["index", "--workers", "99"], "workers"),
        (["search"], "QUERY"),
        (["search", "--query", '"left open'], "quote without an end"),
        (["search", "x", "--no-refresh"], "index"),
        (["index", "--mode", "sideways"], "invalid choice"),
        (["--color"], "expected one argument"),
        (["clear"], "--yes"),
        (["branchwork", "frobnicate"], "no branchwork command"),
        (["branchwork", "log", "text", "-C", "nowhere"], "no such folder"),
    ],
)
def test_an_error_is_json_too(cli, tree, args, part):
    if args == ["clear"]:
        cli.ok("index")
    done = cli(*JSON, *args)

    told = objects(done.stderr)
    assert done.returncode == 2 and done.stdout == ""
    assert len(told) == 1 and part in told[0]["message"], told


def test_an_error_names_its_class_and_has_a_traceback_when_asked(cli, tree):
    (plain,) = objects(cli("search", "--query", '"left open', *JSON).stderr)
    (verbose,) = objects(cli("search", "--query", '"left open', "-v", "--log-format=json").stderr)

    assert (plain["level"], plain["error"], plain["column"]) == ("error", "QuerySyntaxError", 1)
    assert "traceback" not in plain and verbose["traceback"].startswith("Traceback")


def test_a_wrong_format_is_refused_in_one_line(cli, tree):
    assert "json" in cli.refused("index", "--log-format", "xml")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_in_json_and_writes_its_metrics(cli, held, tmp_path, number, status):
    file = tmp_path / "m.prom"
    process, _ = held(*JSON, "-v", "--metrics-file", file)
    process.send_signal(number)
    out, err = process.communicate()

    told = objects(err)
    assert (process.returncode, out) == (status, "")
    assert [o["outcome"] for o in told if o["event"] == "run-ended"] == ["interrupted"]
    assert "kept" in told[-1]["message"]
    assert outcomes(file) == {"interrupted": 1}
    found = samples(file.read_text())
    assert found["spelunk_index_last_run_success", ()] == found["spelunk_index_running", ()] == 0
    assert found["spelunk_index_lag_files", ()] > 0
    assert ("spelunk_index_current_timestamp_seconds", ()) not in found
    cli.ok("index", "--metrics-file", file)
    assert outcomes(file) == {"interrupted": 1, "done": 1}
    assert samples(file.read_text())["spelunk_index_lag_files", ()] == 0


def test_what_native_code_writes_is_json_too(cli, tree):
    (tree / "bad.py").write_text("x = 1\n")
    code = (
        "import os, sys\nfrom spelunk.cli import main\nfrom spelunk.pipeline import plan\n"
        "real = plan.plan\n"
        "def loud(*args):\n    os.write(2, b'panicked at \\x1b[31mlib.rs\\n')\n    print('python', file=sys.stderr)\n"
        "    return real(*args)\n"
        "import spelunk.pipeline.update as update\nupdate.plan = loud\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    done = subprocess.run(
        [cli.argv[0], "-c", code, "index", *JSON],
        cwd=tree,
        env=cli.env,
        capture_output=True,
        text=True,
        check=True,
    )

    told = objects(done.stderr)
    assert [(o["event"], o["message"]) for o in told] == [
        ("message", "python"),
        ("native-output", "panicked at \x1b[31mlib.rs"),
    ]


def test_names_of_control_characters_are_safe_in_both_formats(cli, tree):
    name = b"evil\x1b]0;x\x07\nspelunk: forged\xff.py"
    os.mkdir(os.fsencode(tree) + b"/" + name)
    with open(os.fsencode(tree) + b"/" + name + b"/" + name, "wb") as f:
        f.write(b"")

    text = cli("index", "-vv")
    as_json = cli("index", "-vv", "--rebuild", *JSON)

    assert "\x1b" not in text.stderr and "\x07" not in text.stderr
    assert all(line.startswith("spelunk: ") for line in text.stderr.splitlines())
    assert not any("spelunk: forged" in line[:16] for line in text.stderr.splitlines())
    assert any("evil" in o.get("path", "") for o in objects(as_json.stderr))


# Metrics


def test_metrics_of_runs_add_up_in_a_file(cli, tree, tmp_path):
    file = tmp_path / "m.prom"
    cli.ok("index", "--metrics-file", file)
    (tree / "more.py").write_text("def more():\n    pass\n")
    cli.ok("index", "--metrics-file", file)
    cli.ok("search", "flush", "--metrics-file", file)

    found = samples(file.read_text())
    assert outcomes(file) == {"done": 2}
    assert found["spelunk_index_files_total", (("result", "indexed"),)] == 4
    assert found["spelunk_search_seconds_count", (("mode", "hybrid"),)] == 1
    assert found["spelunk_index_generation", ()] == cli.json("status")["generation"]
    assert str(tree) not in file.read_text() and "flush" not in file.read_text()


def test_a_run_that_fails_before_it_begins_is_counted(cli, tree, tmp_path):
    file = tmp_path / "m.prom"
    cli.refused("index", "--memory-limit", "10MiB", "--metrics-file", file)
    (tree / "spelunk.toml").write_text("workers = 99\n")
    cli.refused("index", "--metrics-file", file)

    assert outcomes(file) == {"failed": 2}


def test_a_refused_run_does_not_speak_for_the_one_at_work(cli, held, tmp_path):
    file = tmp_path / "m.prom"
    process, children = held()
    line = cli.refused("index", "--metrics-file", file)
    for child in children:
        os.kill(child, signal.SIGCONT)

    assert "--wait" in line
    assert outcomes(file) == {"busy": 1}
    assert process.wait() == 0


def test_a_dry_run_writes_no_metrics(cli, tree, tmp_path):
    cli.ok("index", "--dry-run", "--metrics-file", tmp_path / "m.prom")

    assert not (tmp_path / "m.prom").exists()


@pytest.mark.parametrize("port", ["x", "70000", "-1", ":80", "256.0.0.1:9464"])
def test_a_port_that_cannot_be_is_refused(cli, tree, port):
    assert "metrics port" in cli.refused("index", f"--metrics-port={port}")


def test_a_port_that_is_taken_is_refused_before_any_work(cli, held, tree):
    process, _ = held("--metrics-port", "0")
    port = re.search(r":(\d+)/metrics", process.stderr.readline())[1]

    assert "cannot listen" in cli.refused("index", tree / "docs", "--metrics-port", port)


def test_a_file_that_cannot_be_written_is_refused_before_any_work(cli, tree, tmp_path):
    notes = tmp_path / "notes.md"
    notes.write_text("# Notes\n")

    assert "something else" in cli.refused("index", "--metrics-file", notes)
    assert "no such folder" in cli.refused("index", "--metrics-file", tmp_path / "no" / "m.prom")
    assert notes.read_text() == "# Notes\n"
    assert cli.json("status")["state"] == "missing"


def test_a_running_index_answers_over_http(cli, held):
    process, children = held("--metrics-port", "0", *JSON)
    (said,) = objects(process.stderr.readline())
    url = said["message"].removeprefix("metrics are at ")
    found = {}
    while not found.get(("spelunk_index_memory_bytes", ())):  # until it has looked at its queues
        with urllib.request.urlopen(url) as answer:
            found = samples(answer.read().decode())
    for child in children:
        os.kill(child, signal.SIGCONT)
    process.communicate()

    assert process.returncode == 0
    assert found["spelunk_index_running", ()] == 1
    assert found["spelunk_index_workers", ()] == 2
    assert found["spelunk_index_worker_starts_total", (("how", "fork"),)] == 2  # the server did not forbid it
    assert found["spelunk_index_queue_files", ()] + found["spelunk_index_queue_batches", ()] > 0
    (name,) = (dict(labels)["run_id"] for n, labels in found if n == "spelunk_run_info")
    assert name == said["run_id"]


# Prometheus itself


@pytest.mark.slow
@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (apt: prometheus)")
def test_prometheus_scrapes_a_running_index(cli, held, tmp_path):
    process, children = held("--metrics-port", "0")
    address = re.search(r"http://(\S+)/metrics", process.stderr.readline())[1]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        f"scrape_configs: [{{job_name: spelunk, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    log = tmp_path / "prometheus.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [
                PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        base = _listening(server, log)
        _until(lambda: _ask(base, "spelunk_index_running") == [1.0], server, process)
        busy = _ask(base, "sum(spelunk_index_worker_starts_total)")
        names = {r["metric"]["workspace"] for r in _query(base, "spelunk_build_info")}
        kinds = _get(base, "/api/v1/metadata?metric=spelunk_index_files")
        for child in children:
            os.kill(child, signal.SIGCONT)
        process.communicate()
    finally:
        server.terminate()
        server.wait()

    assert process.returncode == 0
    assert busy == [2.0]
    assert len(names) == 1 and next(iter(names)).startswith("project-")
    assert kinds["spelunk_index_files"][0]["type"] == "counter"


def _listening(server, log):
    """The address a Prometheus on a free port listens on, found by its socket."""
    while server.poll() is None:
        inodes = set()
        for fd in Path(f"/proc/{server.pid}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd))
            except OSError:
                continue
            if found:
                inodes.add(found[1])
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, state, inode = (row.split()[n] for n in (1, 3, 9))
            if state == "0A" and inode in inodes:
                return f"http://127.0.0.1:{int(local.split(':')[1], 16)}"
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _get(base, path):
    with urllib.request.urlopen(base + path) as answer:
        return json.load(answer)["data"]


def _query(base, expression):
    return _get(base, f"/api/v1/query?query={urllib.request.quote(expression)}")["result"]


def _ask(base, expression):
    try:
        return [float(row["value"][1]) for row in _query(base, expression)]
    except OSError:
        return []  # not ready yet


def _until(condition, *processes):
    """Wait for it; over as soon as one of the processes is."""
    while not condition():
        for process in processes:
            assert process.poll() is None
        time.sleep(0.1)
