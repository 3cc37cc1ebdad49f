"""The commands about symbols, as processes, in a repository of several languages."""

import os
import subprocess

import pytest

FILES = {
    "py/store.py": (
        "class Store:\n"
        '    """Holds batches."""\n\n'
        "    def flush(self):\n"
        '        """Write what is full."""\n'
        "        encode_batch(self)\n\n\n"
        "class MemoryStore(Store):\n    def flush(self):\n        pass\n\n\n"
        "def encode_batch(store):\n    return store\n"
    ),
    "py/main.py": "from py.store import Store, encode_batch\n\n\ndef main():\n    Store().flush()\n    encode_batch(None)\n\n\nCODEC = encode_batch\n",
    "tests/test_store.py": "from py.store import encode_batch\n\n\ndef test_encode():\n    encode_batch(1)\n",
    "go.mod": "module example.com/app\n",
    "net/dial.go": "package net\n\n// Dial connects.\nfunc Dial(address string) error { return connect(address) }\n\nfunc connect(address string) error { return nil }\n",
    "cmd/main.go": 'package main\n\nimport "example.com/app/net"\n\nfunc main() { net.Dial("x") }\n',
    "web/draw.ts": "export function draw(at: number): number { return at }\n",
    "web/page.ts": 'import { draw as paint } from "./draw"\n\nexport function page() { return paint(3) }\n',
    "c/ring.h": "int ring_push(int value);\n",
    "c/ring.c": '#include "ring.h"\n\nint ring_push(int value) { return value; }\n',
    "c/main.c": '#include "ring.h"\n\nint main(void) { return ring_push(2); }\n',
}


@pytest.fixture
def repo(tmp_path):
    root = tmp_path / "repo"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def git(root, *args):
    env = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *args],
        cwd=root, env=env, check=True, capture_output=True,
    )  # fmt: skip


def test_def(cli, repo):
    out = cli.ok("def", "Store.flush", repo)

    assert out.splitlines() == [
        "py/store.py:4-6  method Store.flush",
        "  def flush(self)",
        "  Write what is full.",
    ]
    assert cli.ok("def", "py/store.py:6", cwd=repo) == out
    assert cli.ok("def", "store.py:4-6", cwd=repo / "py") == out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("callers", "main", "py"), "nothing in the index calls it"),
        (("refs", "MemoryStore"), "nothing in the index refers to it"),
        (("impl", "MemoryStore"), "nothing in the index implements or overrides it"),
        (("callees", "ring_push"), "it calls nothing"),
        (
            ("path", "draw", "ring_push"),
            "no chain of calls and references leads from the first to the second",
        ),
        (("impact", "nowhere/at.py"), "nothing has this name, and there is no such file"),
    ],
)
def test_an_empty_answer_says_so(cli, repo, words, said):
    done = cli(*words, cwd=repo)

    assert done.returncode == 1 and said in done.stderr


def test_refs_and_their_uses(cli, repo):
    found = cli.json("refs", "encode_batch", repo)

    places = {(e["path"], e["line"], e["role"]) for e in found["edges"]}
    assert places == {
        ("py/store.py", 6, "call"),
        ("py/main.py", 1, "import"),
        ("py/main.py", 6, "call"),
        ("py/main.py", 9, "use"),
        ("tests/test_store.py", 1, "import"),
        ("tests/test_store.py", 5, "call"),
    }
    assert found["total"] == len(places)
    assert cli.json("refs", "encode_batch", repo / "py", "--role", "call")["total"] == 2


@pytest.mark.parametrize(
    ("symbol", "callers"),
    [
        ("encode_batch", {"Store.flush", "main", "test_encode"}),
        ("Dial", {"main"}),
        ("connect", {"Dial"}),
        ("draw", {"page"}),
        ("ring_push", {"main"}),
    ],
)
def test_callers_in_every_language(cli, repo, symbol, callers):
    found = cli.json("callers", symbol, repo)

    named = {".".join(filter(None, (e["symbol"]["scope"], e["symbol"]["name"]))) for e in found["edges"]}
    assert named == callers
    assert all(e["confidence"] >= 0.75 for e in found["edges"])


def test_callers_of_callers(cli, repo):
    out = cli.ok("callers", "connect", "--depth", "2", repo)

    assert [line.split("  ")[0] or line.split()[0] for line in out.splitlines()] == [
        "net/dial.go:6-6",
        "net/dial.go:4",
        "cmd/main.go:5",
    ]


def test_callees(cli, repo):
    found = cli.json("callees", "py/main.py:4", repo)

    assert [e["name"] for e in found["edges"]] == ["Store", "flush", "encode_batch"]


def test_impl(cli, repo):
    assert [e["symbol"]["name"] for e in cli.json("impl", "Store", repo)["edges"]] == ["MemoryStore"]
    assert [e["path"] for e in cli.json("impl", "Store.flush", repo)["edges"]] == ["py/store.py"]


def test_outline(cli, repo):
    out = cli.ok("outline", repo / "py" / "store.py")

    assert out.splitlines() == [
        "1-6  class  class Store",
        "  4-6  method  def flush(self)",
        "9-11  class  class MemoryStore(Store)",
        "  10-11  method  def flush(self)",
        "14-15  function  def encode_batch(store)",
    ]
    found = cli.json("outline", "py/store.py", "-k", "2", cwd=repo)
    assert (found["total"], len(found["definitions"])) == (5, 2)


def test_impact_of_a_symbol_and_of_a_file(cli, repo):
    found = cli.json("impact", "encode_batch", repo)
    assert [e["path"] for e in found["tests"]] == ["tests/test_store.py"]

    of_file = cli.json("impact", repo / "py" / "store.py", cwd=repo)
    assert [e["path"] for e in of_file["tests"]] == ["tests/test_store.py"]
    assert {e["path"] for e in of_file["edges"]} == {"py/main.py"}


def test_impact_of_what_changed(cli, repo):
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "first")
    path = repo / "py" / "store.py"
    path.write_text(path.read_text().replace("    return store\n", "    return [store]\n"))

    found = cli.json("impact", "--diff", "HEAD", repo)
    assert [s["name"] for s in found["targets"]] == ["encode_batch"]
    assert [e["path"] for e in found["tests"]] == ["tests/test_store.py"]

    git(repo, "commit", "-qam", "second")
    assert cli("impact", "--diff", "HEAD", repo).returncode == 1
    assert [s["name"] for s in cli.json("impact", "--diff", "HEAD~1", repo)["targets"]] == ["encode_batch"]
    assert "no such revision" in cli.refused("impact", "--diff", "nowhere", repo)
    assert "one revision" in cli.refused("impact", "--diff", "HEAD~1..HEAD", repo)


def test_questions_of_several_workspaces(cli, repo, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "ring.py").write_text(
        "def encode_batch(x):\n    return x\n\n\ndef twice(x):\n    encode_batch(x)\n"
    )

    found = cli.json("callers", "encode_batch", repo, other)
    places = [f"{e['path']}:{e['line']}" for e in found["edges"]]
    assert places == [
        "repo/py/main.py:6",
        "repo/tests/test_store.py:5",
        "repo/py/store.py:6",
        "other/ring.py:6",
    ]
    assert found["total"] == 4 and {t["path"] for t in found["targets"]} == {
        "repo/py/store.py",
        "other/ring.py",
    }

    defined = cli.json("def", "encode_batch", repo, other)["edges"]
    assert [(e["confidence"], e["alternatives"]) for e in defined] == [(0.5, 1), (0.5, 1)]
    one = cli.json("callers", other / "ring.py:1", repo, other)
    assert [e["path"] for e in one["edges"]] == ["other/ring.py"]
    assert cli.json("callers", "other/ring.py:1", repo, other)["edges"] == one["edges"]
    limited = cli.json("refs", "encode_batch", repo, other, "-k", "1")
    assert len(limited["edges"]) == 1 and any(line.startswith("repo: ") for line in limited["left_out"])
    assert "several workspaces" in cli.refused("impact", "encode_batch", repo, other)


def test_path(cli, repo):
    out = cli.ok("path", "cmd/main.go:5", "connect", cwd=repo)

    assert [line.split()[0] for line in out.splitlines()] == [
        "cmd/main.go:5-5",
        "cmd/main.go:5",
        "net/dial.go:4",
    ]
    assert cli("path", "connect", "draw", cwd=repo).returncode == 1


def test_map_fits_its_budget(cli, repo):
    from spelunk.text.token_estimate import token_estimate

    whole = cli.ok("map", repo)
    assert "py/store.py:" in whole and "encode_batch" in whole

    small = cli.ok("map", repo, "--max-tokens", "120")
    assert token_estimate(small) <= 120 < token_estimate(whole)
    assert [p["path"] for p in cli.json("map", repo)["packages"]]


def test_a_budget_is_kept_and_the_rest_is_counted(cli, repo):
    from spelunk.text.token_estimate import token_estimate

    whole = cli.ok("refs", "encode_batch", repo, "--json")
    limit = token_estimate(whole) // 2

    done = cli("refs", "encode_batch", repo, "--json", "--max-tokens", limit)

    assert done.returncode == 0 and 0 < token_estimate(done.stdout) <= limit
    assert '"dropped":' in done.stdout
    assert "too small" in cli.refused("refs", "encode_batch", repo, "--json", "--max-tokens", "10", "-q")


def test_a_name_that_nothing_has(cli, repo):
    done = cli("def", "encode_bacth", repo)

    assert (done.returncode, done.stdout) == (1, "")
    assert "near it are `encode_batch`" in done.stderr


def test_places_that_are_not_there(cli, repo):
    cli.ok("def", "Store", repo)

    assert "not indexed" in cli.refused("def", "py/none.py:3", repo, "--no-refresh")
    assert "no such line" in cli.refused("callers", "py/main.py:99", repo, "--no-refresh")
    assert "role" in cli.refused("refs", "Store", repo, "--role", "love", "--no-refresh")
    assert "not both" in cli.refused("impact", "--no-refresh", cwd=repo)


def test_the_graph_follows_an_edit(cli, repo):
    cli.ok("callers", "ring_push", repo)
    (repo / "c" / "more.c").write_text('#include "ring.h"\n\nint more(void) { return ring_push(4); }\n')
    (repo / "c" / "main.c").unlink()

    assert [e["symbol"]["name"] for e in cli.json("callers", "ring_push", repo)["edges"]] == ["more"]
