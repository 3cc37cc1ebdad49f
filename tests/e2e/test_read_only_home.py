"""A home that cannot be written: every command says so in one line, and what can be told is told."""

import os
import shutil
import subprocess

import pytest

RIGHTS = "-dac_override,-dac_read_search"
"""What lets root write everything (capabilities(7))."""

pytestmark = pytest.mark.skipif(
    os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everything"
)


@pytest.fixture
def as_user(cli, tmp_path):
    """The command with a home of mode 0500, and without root's right to write there all the same."""
    home = tmp_path / "read-only"
    home.mkdir(mode=0o500)
    cli.env |= {"HOME": str(home), "SPELUNK_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    if os.geteuid() == 0:
        cli.argv = ["setpriv", "--bounding-set", RIGHTS, "--inh-caps", RIGHTS, *cli.argv]
    return cli


@pytest.mark.parametrize(
    "words",
    [
        ["index"],
        ["search", "flush"],
        ["flush"],
        ["watch"],
        ["serve", "--port", "0"],
        ["read", "src/queue.py"],
    ],
    ids=" ".join,
)
def test_what_needs_an_index_is_refused_in_one_line(as_user, words):
    done = as_user(*words)

    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert "cannot be written (Permission denied)" in last and "--index-dir" in last
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 2


def test_what_needs_none_is_told(as_user):
    assert as_user.json("status")["state"] == "missing"
    assert as_user("list").returncode == 0


def test_trust_that_cannot_be_recorded_is_refused_in_one_line(as_user, tree):
    (tree / "spelunk.toml").write_text('embedder = "api:x"\n')

    assert "Permission denied" in as_user.refused("trust")


def test_an_index_that_cannot_be_written_answers_as_it_is(as_user, cli, tree, tmp_path):
    home = tmp_path / "read-only"
    home.chmod(0o700)
    subprocess.run([*cli.argv, "index", "-q"], cwd=tree, env=cli.env, check=True)
    for folder, _, names in os.walk(home, topdown=False):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o400)
        os.chmod(folder, 0o500)
    (tree / "src" / "queue.py").write_text("def walrus():\n    pass\n")

    done = as_user("search", "Dial")

    assert done.returncode == 0 and "src/net/dial.go" in done.stdout
    assert "files have changed" in done.stderr and "Traceback" not in done.stderr
    assert "Permission denied" in as_user.refused("index")
