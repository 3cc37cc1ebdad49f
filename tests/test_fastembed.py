"""The embedder over FastEmbed, with the real MiniLM registered as a model of a folder in its cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spelunk import ConfigError, Index, embed
from spelunk.config import Options, resolve
from spelunk.embed import fastembed as ours
from tests import minilm

pytest.importorskip("fastembed", reason="the extra [fastembed] is not installed")

NAME = "tests/minilm"
TEXTS = [
    "def read_file(path): return open(path).read()",
    "the weather in June",
    "",
    "load the contents of a file",
]


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return minilm.folder()
    except minilm.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(made))
    return made


@pytest.fixture
def options(cache: Path, folder: Path) -> Options:
    (cache / "tests").mkdir()
    (cache / NAME).symlink_to(folder)
    return resolve(None, {"embedder": f"fastembed:{NAME}"})


def named(name: str) -> Options:
    return resolve(None, {"embedder": f"fastembed:{name}"})


def test_vectors_are_those_of_the_model(options: Options, folder: Path) -> None:
    made = embed.get(options)
    vectors = made.embed(TEXTS, [()] * len(TEXTS))

    assert vectors.shape == (4, 384) and made.dimensions == 384 and not made.in_workers
    assert np.linalg.norm(vectors, axis=1).round(5).tolist() == [1, 1, 0, 1]
    assert vectors[0] @ vectors[3] > vectors[1] @ vectors[3] + 0.2
    theirs = embed.get(resolve(None, {"embedder": f"onnx:{folder}"})).embed(TEXTS, [()] * len(TEXTS))
    assert np.allclose(vectors, theirs, atol=1e-4), "the same weights by another library"
    assert np.allclose(np.asarray(made.query(TEXTS[0])), vectors[0], atol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(options: Options) -> None:
    made = embed.get(options)
    texts = [" ".join(f"word{n}" for n in range(size)) for size in (3, 40, 7, 90, 5, 12)]

    together = made.embed(texts, [()] * len(texts))

    alone = np.concatenate([made.embed([text], [()]) for text in texts])
    assert np.allclose(together, alone, atol=1e-5)


def test_the_id_is_that_of_the_files_and_costs_no_import(options: Options, cache: Path, folder: Path) -> None:
    first = embed.identify(options)
    copy = cache / "tests" / "other"
    shutil.copytree(folder, copy)
    assert embed.identify(named("tests/other")) == first
    (copy / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 100}))
    assert embed.identify(named("tests/other")) != first
    assert embed.identify(named("BAAI/bge-small-en-v1.5")) == "fastembed-1-baai/bge-small-en-v1.5"

    code = (
        "import sys; from spelunk import embed; from spelunk.config import resolve;"
        f"embed.identify(resolve(None, {{'embedder': 'fastembed:{NAME}'}}));"
        "assert 'fastembed' not in sys.modules and 'onnxruntime' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_index_is_searched_by_meaning(options: Options, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("def read_file(path):\n    return open(path).read()\n")
    (root / "b.md").write_text("# Weather\n\nRain in June, sun in July.\n")
    with Index.open(root, index_dir=str(tmp_path / "index"), embedder=options.embedder) as index:
        report = index.update()
        answer = index.search("load the contents from disk", mode="semantic")

    assert report.pending_vectors == 0 and report.degraded is None
    assert answer.hits[0].path == "a.py"


def test_a_model_that_is_not_in_the_cache_is_refused_with_the_command_that_fetches_it(cache: Path) -> None:
    name = "sentence-transformers/all-MiniLM-L6-v2"
    with pytest.raises(ConfigError, match="nothing is ever downloaded") as error:
        embed.check(named(name))
    assert f"TextEmbedding('{name}', cache_dir='{cache}')" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "name the model"),
        ("BAAI/bge-smal-en-v1.5", "did you mean fastembed:BAAI/bge-small-en-v1.5"),
        ("Qdrant/bm25", "a sparse model"),
        ("../tests", "no such model"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name: str, says: str, cache: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        embed.check(named(name))


def test_the_command_line_says_it_in_one_line(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    command = [
        sys.executable,
        "-m",
        "spelunk",
        "index",
        str(tmp_path / "tree"),
        "--index-dir",
        str(tmp_path / "i"),
    ]
    done = subprocess.run(
        [*command, "--embedder", "fastembed:BAAI/bge-small-en-v1.5"],
        capture_output=True,
        text=True,
        env={**os.environ, "FASTEMBED_CACHE_PATH": str(cache)},
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "where there is a network, run" in done.stderr


def test_without_the_extra_it_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'spelunk\[fastembed\]'"):
        embed.check(named("BAAI/bge-small-en-v1.5"))


@pytest.mark.slow
def test_bench_embed_measures_it(options: Options) -> None:
    from spelunk.bench.embed import measure

    result = measure(str(Path(__file__).parent), embedder=options.embedder, chunks=16, rounds=1)

    assert result.rows[0]["callers"] == 1 and len(result.rows) == 2
    assert all(row["chunks_per_second"] > 0 for row in result.rows)
