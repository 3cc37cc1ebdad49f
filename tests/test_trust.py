"""What a hostile repository can and cannot do: a test for each line of docs/trust.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spelunk import Index, trust
from spelunk.cli import main
from spelunk.config import Options, load, resolve
from spelunk.errors import ConfigError
from spelunk.files.git_config import MAX_CONFIG_FILES, excludes_file
from spelunk.files.git_dir import branch_of, repository_at
from spelunk.files.walk import walk
from spelunk.io import regular
from spelunk.io.cache_dir import index_home
from spelunk.settings_files import digest_of, workspace_files

HOSTILE = """\
embedder = "api:x"
hidden = true
max_file_size = "1GiB"
exclude = ["*.snap", "!.ssh/"]
embedding_url = "https://evil.invalid/v1"
embedding_key_env = "AWS_SECRET_ACCESS_KEY"

[branchwork]
dir = "../../x"
"""
WIDENING = ["embedder", "hidden", "max_file_size", "embedding_url", "embedding_key_env", "exclude"]


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "a.py").write_text("def harmless():\n    pass\n")
    (root / ".env").write_text("SECRET_TOKEN = 1\n")
    (root / "spelunk.toml").write_text(HOSTILE)
    return root


def paths(root: Path, options: Options | None = None) -> list[str]:
    return [row[0] for row in walk(str(root), options or resolve(str(root), environ={})).rows]


def grant(root: Path) -> None:
    trust.grant(str(root), digest_of(workspace_files(str(root))))


# Settings


def test_a_workspaces_file_cannot_widen(root: Path) -> None:
    resolved = load(str(root), environ={})

    assert resolved.options == Options(exclude=("*.snap",))
    assert [u.name for u in resolved.untrusted] == WIDENING
    assert ".env" not in paths(root)


def test_a_workspaces_file_can_narrow(root: Path) -> None:
    (root / "spelunk.toml").write_text(
        'max_file_size = "1KiB"\nexclude = ["*.log"]\nworkers = 1\nmemory_limit = "1GiB"\nembedder = "hashed"\n'
    )

    options, untrusted, _ = load(str(root), environ={})

    assert untrusted == ()
    assert (options.max_file_size, options.exclude, options.embedder) == (1024, ("*.log",), "hashed")


@pytest.mark.parametrize(
    "line",
    ['embedder = "onnx:/etc"', "workers = 16", "io_threads = 64", "files_per_batch = 5000", "retry_attempts = 99",
     "embedding_concurrency = 60", "embedding_max_chars = 900000", "query_timeout = 500", "breaker_wait = 0"],
)  # fmt: skip
def test_limits_above_the_users_own_need_trust(
    root: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    (root / "spelunk.toml").write_text(line + "\n")

    resolved = load(str(root), environ={})

    assert [u.name for u in resolved.untrusted] == [line.split(" ")[0]]
    assert resolved.options == Options()


def test_trust_lets_the_file_count_and_any_edit_ends_it(root: Path) -> None:
    grant(root)
    assert load(str(root), environ={}).untrusted == ()
    assert resolve(str(root), environ={}).embedder == "api:x"

    with open(root / "spelunk.toml", "a") as f:
        f.write("# an edit\n")

    assert [u.name for u in load(str(root), environ={}).untrusted] == WIDENING


def test_trust_is_for_one_root(root: Path, tmp_path: Path) -> None:
    grant(root)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "spelunk.toml").write_bytes((root / "spelunk.toml").read_bytes())

    assert load(str(copy), environ={}).untrusted


def test_nothing_inside_the_repository_grants_trust(root: Path) -> None:
    grant(root)
    record = next(Path(os.environ["XDG_STATE_HOME"]).rglob("*.json"))
    assert not record.is_relative_to(root)
    trust.revoke(str(root))

    (root / ".local/state/spelunk/trusted").mkdir(parents=True)
    (root / ".local/state/spelunk/trusted" / record.name).write_text(
        json.dumps({"root": str(root), "digest": digest_of(workspace_files(str(root)))})
    )

    assert load(str(root), environ={}).untrusted


@pytest.mark.parametrize("damage", [b"", b"[]", b"\0", b"{" * 100_000, b'{"digest": 1e999, "root": null}'])
def test_a_damaged_record_of_trust_counts_as_none(root: Path, damage: bytes) -> None:
    grant(root)
    next(Path(os.environ["XDG_STATE_HOME"]).rglob("*.json")).write_bytes(damage)

    assert load(str(root), environ={}).untrusted


def test_the_users_own_settings_outrank_and_bound_the_file(root: Path) -> None:
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "spelunk"
    own.mkdir(parents=True)
    (own / "config.toml").write_text('max_file_size = "1MiB"\nexclude = ["secret/"]\nhidden = true\n')
    (root / "spelunk.toml").write_text('max_file_size = "2MiB"\nexclude = ["*.log"]\n')

    options, untrusted, _ = load(str(root), environ={})

    assert [u.name for u in untrusted] == ["max_file_size"]
    assert (options.max_file_size, options.exclude, options.hidden) == (2**20, ("*.log", "secret/"), True)
    assert load(str(root), environ={"SPELUNK_MAX_FILE_SIZE": "3MiB"}).options.max_file_size == 3 * 2**20


@pytest.mark.parametrize(
    "folder", ["../../x", "/etc", ".git/hooks", ".ssh", "*", "a/../../..", ".secret/../.ssh"]
)
def test_the_worklog_folder_brings_no_other_hidden_folder_in(root: Path, folder: str) -> None:
    (root / ".ssh").mkdir()
    (root / ".ssh/notes.md").write_text("secret\n")
    (root / "spelunk.toml").write_text(f"[branchwork]\ndir = {json.dumps(folder)}\n")

    assert resolve(str(root), environ={}).exclude == ()
    assert ".ssh/notes.md" not in paths(root)


def test_an_embedder_that_sends_texts_gets_no_hidden_file_by_spelunkignore(root: Path) -> None:
    (root / "spelunk.toml").unlink()
    (root / ".spelunkignore").write_text("!.env\n!.git/\n!.ssh/\n")
    (root / ".ssh").mkdir()
    (root / ".ssh/id").write_text("secret\n")

    assert ".env" in paths(root, Options())
    assert paths(root, Options(embedder="api:x")) == ["a.py"]


# The command


def test_the_trial(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-user")
    monkeypatch.setenv("SPELUNK_EMBEDDING_URL", "http://127.0.0.1:9/v1")

    assert main(["search", "SECRET_TOKEN", "--json"]) in (0, 1)

    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["degraded"] is None and all(hit["path"] != ".env" for hit in answer["hits"])
    warnings = [line for line in err.splitlines() if "spelunk trust" in line]
    assert len(warnings) == 1 and "embedder, hidden" in warnings[0]


def test_the_command_shows_records_and_revokes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*flags: str) -> dict[str, object]:
        assert main(["trust", str(root), "--json", *flags]) == 0
        return dict(json.loads(capsys.readouterr().out))

    shown = told("--show")
    assert shown["trusted"] is False
    assert [s["name"] for s in shown["settings"]] == WIDENING  # type: ignore[attr-defined]
    assert load(str(root), environ={}).untrusted
    assert told()["trusted"] is True
    assert Index.open(root).untrusted == ()
    assert told("--revoke")["trusted"] is False
    assert [u.name for u in Index.open(root).untrusted] == WIDENING


def test_the_command_prints_no_control_characters(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "spelunk.toml").write_text('embedder = "api:\\u001b[2J"\n')

    assert main(["trust", str(root), "--show"]) == 0

    assert "\x1b" not in capsys.readouterr().out


# Paths that a repository chooses

ENDLESS = [
    path
    for path in ("/proc/self/pagemap", "/proc/self/mem", "/proc/kmsg", "/dev/zero")
    if os.path.exists(path)
]


@pytest.fixture
def most_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of all reads through the one reader."""
    sizes: list[int] = []
    real = os.read

    def read(fd: int, n: int) -> bytes:
        data = real(fd, n)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(regular.os, "read", read)
    return sizes


def git(root: Path) -> Path:
    (root / ".git/info").mkdir(parents=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    return root / ".git"


@pytest.mark.parametrize("target", [*ENDLESS, "fifo"])
@pytest.mark.parametrize(
    "place",
    ["excludes", "include", "config", "info/exclude", "HEAD", ".git", "commondir", ".gitignore", ".spelunkignore",
     "spelunk.toml", "CACHEDIR.TAG"],
)  # fmt: skip
def test_no_path_of_a_repository_leads_to_an_endless_file(
    root: Path, tmp_path: Path, place: str, target: str, most_read: list[int]
) -> None:
    if target == "fifo":
        target = str(tmp_path / "fifo")
        os.mkfifo(target)
    (root / "spelunk.toml").unlink()
    if place == ".git":
        (root / ".git").symlink_to(target)
    elif place == "commondir":
        (tmp_path / "real").mkdir()
        (tmp_path / "real/commondir").symlink_to(target)
        (root / ".git").write_text(f"gitdir: {tmp_path}/real\n")
    elif place in ("excludes", "include"):
        text = (
            f"[core]\nexcludesFile = {target}\n" if place == "excludes" else f"[include]\npath = {target}\n"
        )
        (git(root) / "config").write_text(text)
    elif place in ("config", "info/exclude", "HEAD"):
        (git(root) / place).unlink(missing_ok=True)
        (root / ".git" / place).symlink_to(target)
    else:
        (root / "sub").mkdir()
        where = root / place if place.endswith(".toml") else root / "sub" / place
        where.symlink_to(target)

    try:
        found = paths(root)
    except ConfigError as error:
        assert place == "spelunk.toml" and str(root) in str(error)
    else:
        assert "a.py" in found
    branch_of(str(root))

    assert sum(most_read) < 100_000


def test_git_configuration_includes_are_followed_and_bounded(root: Path) -> None:
    config = git(root) / "config"
    (root / "more").write_text("[core]\n\texcludesFile = /from/include\n")
    config.write_text('[includeIf "gitdir:/nowhere/"]\npath = ../none\n[include]\npath = ../more\n')
    assert excludes_file(repository_at(str(root)))[0] == "/from/include"
    config.write_text(f'[includeIf "gitdir:{root}/"]\n\tpath = ../more\n')
    assert excludes_file(repository_at(str(root)))[0] == "/from/include"
    config.write_text('[includeIf "onbranch:ma*"]\n\tpath = ../more\n')
    assert excludes_file(repository_at(str(root)))[0] == "/from/include"

    config.write_text("[include]\npath = config\n" * 1000)

    assert len(excludes_file(repository_at(str(root)))[1]) <= MAX_CONFIG_FILES


def test_a_huge_ignore_file_counts_as_none(root: Path) -> None:
    (root / "spelunk.toml").unlink()
    (root / ".gitignore").write_bytes(b"a.py\n" + b"#" * (2 << 20))

    assert "a.py" in paths(root)


def test_no_program_is_run_to_read_gits_configuration(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (git(root) / "config").write_text("[include]\npath = more\n[core]\nfsmonitor = touch ran\n")

    Index.open(root, history="off").update()  # the commits are read by git, and by nothing that it names

    assert not (tmp_path / "ran").exists() and not (root / "ran").exists()


# What a repository can do


def test_a_repository_can_leave_files_out_and_loosen_freshness(root: Path) -> None:
    (root / "b.py").write_text("x = 1\n")
    (root / ".gitignore").write_text("b.py\n")
    (root / "spelunk.toml").write_text('freshness = "relaxed"\nexclude = ["a.py"]\n')

    options, untrusted, _ = load(str(root), environ={})

    assert untrusted == () and options.freshness == "relaxed" and paths(root) == ["spelunk.toml"]


def test_a_repository_can_name_a_regular_file_as_excludes_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("a.py\n")
    (git(root) / "config").write_text(f"[core]\nexcludesFile = {tmp_path}/elsewhere\n")

    assert "a.py" not in paths(root)


# The user's folders


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_no_folder_named_tilde_appears(root: Path, home: str | None) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("HOME", "SPELUNK_HOME", "XDG_CACHE_HOME")}
    if home is not None:
        env["HOME"] = home
    code = (
        "import pwd, sys\n"
        "def nobody(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = nobody\n"
        "from spelunk.cli import main\n"
        "sys.exit(main(['index']))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True)

    assert done.returncode == 2 and "set HOME, or SPELUNK_HOME" in done.stderr
    assert sorted(os.listdir(root)) == [".env", "a.py", "spelunk.toml"]


def test_without_home_the_user_database_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("SPELUNK_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/cache")

    assert index_home() == os.path.join(pwd.getpwuid(os.getuid()).pw_dir, ".cache/spelunk")


def test_an_index_folder_that_is_not_utf8_is_refused_in_one_line(root: Path, tmp_path: Path) -> None:
    env = {**os.environb, b"SPELUNK_HOME": os.fsencode(tmp_path) + b"/h\xff"}

    done = subprocess.run([sys.executable, "-m", "spelunk", "index"], cwd=root, env=env, capture_output=True)

    assert done.returncode == 2 and b"has to be UTF-8" in done.stderr and b"damaged" not in done.stderr
