"""A real sentence model behind the command: by meaning, kept right, changed without a parse."""

import re
import shutil

import pytest

from spelunk.testing import logical_content
from tests import minilm


@pytest.fixture(scope="module")
def model():
    try:
        return minilm.folder()
    except minilm.Unavailable as why:
        pytest.skip(f"no MiniLM: {why}")


TEXTS = {
    "bread.md": "Mix flour, water and yeast, and bake it in a hot oven until brown.\n",
    "coast.md": "Heavy rain and strong wind are expected along the shore tonight.\n",
    "bank.md": "Shares fell sharply after interest rates had been raised.\n",
}
QUESTIONS = {"how to make a loaf": "bread.md", "storm forecast": "coast.md", "stock market crash": "bank.md"}
"""No question shares a word with the text that answers it."""


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    for name, text in TEXTS.items():
        (root / name).write_text(text)
    return root


def answers(cli, **more):
    """The first path for each question; nothing may be missing from the answer."""
    found = {q: cli.json("search", q, "-m", "semantic", **more) for q in QUESTIONS}
    assert {a["degraded"] for a in found.values()} == {None}
    return {q: a["hits"][0]["path"] for q, a in found.items()}


def test_it_finds_by_meaning_what_shares_no_word(cli, tree, model):
    (tree / "spelunk.toml").write_text(f'embedder = "onnx:{model}"\n')
    cli.ok("trust")

    cli.ok("index")

    status = cli.json("status")
    assert status["embedder"].startswith("onnx-1-MiniLM-L6-H384-uncased-") and not status["pending_vectors"]
    assert answers(cli) == QUESTIONS
    assert cli("check").returncode == 0


def test_a_changed_file_has_its_new_meaning(cli, tree, model):
    (tree / "spelunk.toml").write_text(f'embedder = "onnx:{model}"\n')
    cli.ok("trust")
    cli.ok("index")

    (tree / "bread.md").write_text(TEXTS["coast.md"])
    (tree / "coast.md").write_text(TEXTS["bread.md"])

    swapped = {"bread.md": "coast.md", "coast.md": "bread.md", "bank.md": "bank.md"}
    assert answers(cli) == {q: swapped[path] for q, path in QUESTIONS.items()}


def test_another_embedder_parses_nothing(cli, tree, model):
    cli.ok("index")
    env = {"SPELUNK_EMBEDDER": f"onnx:{model}"}

    report = cli.json("index", env=env)

    assert (report["files"]["indexed"], report["files"]["unchanged"]) == (0, 3)
    assert answers(cli, env=env) == QUESTIONS
    assert cli("check", env=env).returncode == 0
    assert cli.json("index")["files"]["indexed"] == 0
    assert cli.json("search", "flour", "-m", "semantic")["hits"][0]["path"] == "bread.md"
    assert cli("check").returncode == 0


def test_another_model_is_another_embedder(cli, tree, model, tmp_path):
    """As when the file of the model is replaced in place."""
    copy = tmp_path / "model"
    shutil.copytree(model, copy)
    env = {"SPELUNK_EMBEDDER": f"onnx:{copy}"}
    cli.ok("index", env=env)
    before = cli.json("status", env=env)

    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')

    assert before["state"] == "current"
    assert cli.json("status", env=env)["state"] == "options-changed"
    assert cli.json("index", env=env)["files"]["indexed"] == 0
    assert cli.json("status", env=env)["embedder"] != before["embedder"]
    assert answers(cli, env=env) == QUESTIONS


def test_a_copied_project_takes_its_vectors_along(cli, tree, tmp_path, model):
    shutil.copytree(tree, tmp_path / "copy")
    env = {"SPELUNK_EMBEDDER": f"onnx:{model}"}
    cli.ok("index", env=env)

    cli.ok("index", env=env, cwd=tmp_path / "copy")

    assert cli.json("status", env=env, cwd=tmp_path / "copy")["vectors"] == 3
    assert answers(cli, env=env, cwd=tmp_path / "copy") == QUESTIONS


def test_all_modes_of_a_run_make_the_same_index(cli, tree, model):
    env = {"SPELUNK_EMBEDDER": f"onnx:{model}"}
    contents = []
    for flags in (["--mode", "sequential"], ["--mode", "parallel", "--workers", "2"]):
        cli.ok("index", "--rebuild", *flags, env=env)
        (found,) = cli.home.glob("project-*")
        contents.append(logical_content(str(found)))

    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("onnx:BAAI/bge-small-en-v1.5", "nothing is ever downloaded"),
        ("onnx:", "name the model's folder"),
        ("onnx:.", "no model.onnx in it"),
    ],
)
def test_what_is_no_model_is_refused(cli, name, told):
    assert told in cli.refused("index", "--embedder", name)


def test_a_memory_limit_counts_the_model(cli, tree, model):
    flags = ["--embedder", f"onnx:{model}", "--memory-limit"]
    line = cli.refused("index", *flags, "256MiB")
    assert "is needed for the embedder's model" in line

    least = float(re.search(r"at least ([\d.]+) MiB", line)[1]) + 1
    report = cli.json("index", *flags, f"{least}MiB")

    assert report["files"]["indexed"] == 3 and report["pending_vectors"] == 0
    # The model itself was seen, and it was within the cap.
    assert (model / "model.onnx").stat().st_size < report["peak_rss_bytes"] < least * 2**20
