"""A real sentence model behind the command: by meaning, kept right, changed without a parse."""

import pytest

from tests import minilm


@pytest.fixture(scope="module")
def model():
    try:
        return minilm.folder()
    except minilm.Unavailable as why:
        pytest.skip(f"no MiniLM: {why}")


def first(cli, query, **more):
    found = cli.json("search", query, "-m", "semantic", **more)
    assert found["degraded"] is None
    return found["hits"][0]["path"]


def test_it_finds_by_meaning_what_shares_no_word(cli, tree, model):
    (tree / "spelunk.toml").write_text(f'embedder = "onnx:{model}"\n')

    cli.ok("index")

    assert cli.json("status")["embedder"].startswith("onnx-1-MiniLM-L6-H384-uncased-")
    assert first(cli, "aquatic mammal") == "docs/guide.md"
    assert first(cli, "open a network socket") == "src/net/dial.go"
    assert cli("check").returncode == 0


def test_a_changed_file_is_embedded_and_the_others_are_not(cli, tree, model):
    (tree / "spelunk.toml").write_text(f'embedder = "onnx:{model}"\n')
    cli.ok("index")

    (tree / "docs" / "guide.md").write_text("# Guide\n\nHow to bake bread with rye.\n")

    assert first(cli, "recipe for a loaf") == "docs/guide.md"
    assert first(cli, "open a network socket") == "src/net/dial.go"


def test_changing_the_embedder_parses_nothing(cli, tree, model):
    cli.ok("index")
    (tree / "spelunk.toml").write_text(f'embedder = "onnx:{model}"\n')

    report = cli.json("index")

    assert report["files"]["indexed"] == 1  # the settings' file itself
    assert first(cli, "aquatic mammal") == "docs/guide.md"
    (tree / "spelunk.toml").write_text('embedder = "hashed"\n')
    assert cli.json("index")["files"]["indexed"] == 1
    assert first(cli, "otter") == "docs/guide.md"
    assert cli("check").returncode == 0


def test_a_copied_project_takes_its_vectors_along(cli, tree, tmp_path, model):
    import shutil

    shutil.copytree(tree, tmp_path / "copy")
    cli.ok("index", "--embedder", f"onnx:{model}")

    cli.ok("index", "--embedder", f"onnx:{model}", tmp_path / "copy")

    env = {"SPELUNK_EMBEDDER": f"onnx:{model}"}
    assert first(cli, "aquatic mammal", cwd=tmp_path / "copy", env=env) == "docs/guide.md"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("onnx:BAAI/bge-small-en-v1.5", "nothing is ever downloaded"),
        ("onnx:", "name the model's folder"),
        ("onnx:docs", "no model.onnx in it"),
    ],
)
def test_what_is_no_model_is_refused(cli, name, told):
    assert told in cli.refused("index", "--embedder", name)
