"""The embedder over an ONNX file: a real model, its folder, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spelunk.config import resolve
from spelunk.embed import onnx_folder
from spelunk.errors import ConfigError, ProviderError
from spelunk.io.cache_dir import index_home
from spelunk.settings import digest_of, workspace_files
from spelunk.trust import grant
from tests import minilm


@pytest.fixture(scope="module")
def real() -> Path:
    try:
        return minilm.folder()
    except minilm.Unavailable as why:
        pytest.skip(f"no MiniLM: {why}")


@pytest.fixture(scope="module")
def embedder(real: Path) -> Any:
    from spelunk.embed.onnx import OnnxEmbedder

    return OnnxEmbedder(f"onnx:{real}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The shape of a model's folder; nothing in it loads."""
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "model.onnx").write_bytes(b"not a graph")
    (made / "tokenizer.json").write_text("{}")
    (made / "config.json").write_text(json.dumps({"hidden_size": 100, "_name_or_path": "some/tiny"}))
    yield made


def describe(folder: Path, name: str, **values: Any) -> None:
    (folder / name).write_text(json.dumps(values))


# The model


def gelu(x: Any) -> Any:
    """x·Φ(x), with the error function by Abramowitz and Stegun 7.1.26 (|error| < 1.5e-7)."""
    z = np.abs(x) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return x * 0.5 * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))


def forward(weights: dict[str, Any], ids: list[int], heads: int = 12) -> Any:
    """BERT for one text in float64: the unit vector of the mean over its tokens."""

    def dense(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    at = "embeddings"
    x = (
        weights[f"{at}.word_embeddings.weight"][ids].astype(np.float64)
        + weights[f"{at}.position_embeddings.weight"][: len(ids)]
        + weights[f"{at}.token_type_embeddings.weight"][0]
    )
    x = norm(x, f"{at}.LayerNorm")
    for n in range(6):
        at = f"encoder.layer.{n}"
        q, k, v = (
            dense(x, f"{at}.attention.self.{part}").reshape(len(ids), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ v
        x = norm(dense(seen.transpose(1, 0, 2).reshape(x.shape), f"{at}.attention.output.dense") + x, f"{at}.attention.output.LayerNorm")  # fmt: skip
        x = norm(dense(gelu(dense(x, f"{at}.intermediate.dense")), f"{at}.output.dense") + x, f"{at}.output.LayerNorm")  # fmt: skip
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def test_the_vectors_are_those_of_the_network_computed_by_hand(embedder: Any, real: Path) -> None:
    import onnx
    from onnx import numpy_helper
    from tokenizers import Tokenizer

    graph = onnx.load(str(real / "model.onnx")).graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for name, value in list(weights.items()):  # the matrices of products are stored transposed
        if name.endswith(".weight") and value.ndim == 2 and "embeddings" not in name:
            weights[name] = value.T
    tokenizer = Tokenizer.from_file(str(real / "tokenizer.json"))
    tokenizer.no_padding()
    texts = ["A man is eating food.", "def flush(self, batch):\n    self.disk.write(batch)\n"]

    made = embedder.embed(texts, [])

    for text, row in zip(texts, made, strict=True):
        expected = forward(weights, tokenizer.encode(text).ids)
        np.testing.assert_allclose(row, expected, atol=2e-5)


def test_paraphrases_are_near_and_strangers_are_not(embedder: Any) -> None:
    pairs = [
        ("A man is eating food.", "Someone has a meal."),
        ("remove an entry from the cache", "def evict(self, key):\n    self.cache.pop(key)"),
        ("The cat sits outside", "A kitten is sitting in the garden"),
    ]
    left, right = (embedder.embed([p[side] for p in pairs], []) for side in (0, 1))
    cosines = left @ right.T

    assert all(cosines[n, n] > 0.3 for n in range(3))
    assert all(cosines[n, n] > cosines[n, m] + 0.2 for n in range(3) for m in range(3) if m != n)


def test_rows_have_unit_length_and_nothing_said_is_zero(embedder: Any) -> None:
    made = embedder.embed(["x = 1", "", " \n", "== !=", "lone \ud800 surrogate"], [])

    assert made.shape == (5, 384) and made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), [1, 0, 0, 0, 1], atol=1e-6)
    assert not embedder.query("").any()
    assert embedder.embed([], []).shape == (0, 384)


def test_a_vector_does_not_depend_on_its_neighbours_or_on_threads(embedder: Any, real: Path) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    texts = [f"def name_{n}(a, b):\n" + "    a += b\n" * n for n in (40, 1, 7, 80, 2, 3, 25, 9, 60, 5)]

    together = embedder.embed(texts, [])

    alone = np.concatenate([embedder.embed([t], []) for t in texts])
    single = OnnxEmbedder(f"onnx:{real}", callers=1).embed(texts, [])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together, single, atol=1e-6)
    np.testing.assert_allclose(embedder.query(texts[1]), together[1], atol=1e-6)


def test_a_long_text_is_cut_at_the_longest_input(embedder: Any) -> None:
    start = "word " * 254  # and two special tokens

    one, other = embedder.embed([start + "otter", start + "banana " * 500], [])

    np.testing.assert_allclose(one, other, atol=1e-6)


def test_no_thread_stays(embedder: Any) -> None:
    import threading

    before = threading.active_count()
    embedder.embed(["a text", "another"] * 20, [])

    assert threading.active_count() == before


def test_groups_are_of_like_length_and_bounded() -> None:
    from spelunk.embed.onnx import batches
    from spelunk.embed.onnx_folder import BATCH_TOKENS

    lengths = {n: 1 + n * 7 % 300 for n in range(200)} | {200: 5 * BATCH_TOKENS}

    groups = list(batches(lengths))

    assert sorted(k for g in groups for k in g) == sorted(lengths)
    assert all(len(g) * max(lengths[k] for k in g) <= BATCH_TOKENS or len(g) == 1 for g in groups)
    firsts = [lengths[g[0]] for g in groups]
    assert firsts == sorted(firsts, reverse=True)


# Other models


def tiny(folder: Path, out: str, shape: list[Any], inputs: tuple[str, ...] = ("input_ids", "attention_mask")) -> str:  # fmt: skip
    """A model whose token vectors are looked up in a table of 5 rows and 4 columns; the setting for it."""
    onnx = pytest.importorskip("onnx")
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("onnxruntime")
    helper, proto = onnx.helper, onnx.TensorProto
    table = np.eye(5, 4, dtype=np.float32) * 2
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"])]
    if len(shape) == 2:
        nodes.append(helper.make_node("ReduceMax", ["tokens", "axis"], [out], keepdims=0))
    else:
        nodes.append(helper.make_node("Identity", ["tokens"], [out]))
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info(name, proto.INT64, ["b", "s"]) for name in inputs],
        [helper.make_tensor_value_info(out, proto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(table, "table"), onnx.numpy_helper.from_array(np.array([1]), "axis")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    words = {"[PAD]": 0, "one": 1, "two": 2, "three": 3, "x": 4}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="x"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    describe(folder, "config.json")
    return f"onnx:{folder}"


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({}, [0, 1, 1, 1]),
        ({"pooling_mode_mean_tokens": True}, [0, 1, 1, 1]),
        ({"pooling_mode_cls_token": True}, [0, 1, 0, 0]),
        ({"pooling_mode_lasttoken": True}, [0, 0, 0, 1]),
        ({"pooling_mode": "cls"}, [0, 1, 0, 0]),
    ],
)
def test_token_vectors_become_one_as_the_model_says(folder: Path, pooling: Any, expected: list[int]) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    setting = tiny(folder, "last_hidden_state", ["b", "s", 4])
    describe(folder, "1_Pooling/config.json", **pooling)

    embedder = OnnxEmbedder(setting)

    assert embedder.dimensions == 64  # found in the graph, filled up with zeros
    row = np.zeros(64)
    row[:4] = np.array(expected) / np.linalg.norm(expected)
    np.testing.assert_allclose(embedder.embed(["one two three", "x"], [])[0], row, atol=1e-6)


def test_a_model_that_pools_by_itself_is_taken_at_its_word(folder: Path) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    setting = tiny(folder, "sentence_embedding", ["b", "d"], ("input_ids",))

    row = OnnxEmbedder(setting).query("one three")

    np.testing.assert_allclose(row[:4], [0, 0.5**0.5, 0, 0.5**0.5], atol=1e-6)


def test_prompts_of_the_model_are_used(folder: Path) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    setting = tiny(folder, "last_hidden_state", ["b", "s", 4])
    describe(folder, "config_sentence_transformers.json", prompts={"query": "one ", "document": "two "})
    embedder = OnnxEmbedder(setting)

    np.testing.assert_allclose(embedder.query("three")[:4], [0, 0.5**0.5, 0, 0.5**0.5], atol=1e-6)
    np.testing.assert_allclose(embedder.embed(["three"], [])[0, :4], [0, 0, 0.5**0.5, 0.5**0.5], atol=1e-6)


def test_a_model_that_wants_more_than_text_is_refused(folder: Path) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    setting = tiny(folder, "last_hidden_state", ["b", "s", 4], ("input_ids", "pixel_values"))

    with pytest.raises(ConfigError, match="pixel_values"):
        OnnxEmbedder(setting).query("x")


def test_a_part_that_is_not_in_the_file_is_refused(folder: Path) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    setting = tiny(folder, "last_hidden_state", ["b", "s", 4])
    (folder / "modules.json").write_text(json.dumps([{"type": "a.Transformer"}, {"type": "a.Dense"}]))

    with pytest.raises(ConfigError, match="its part Dense is not in the ONNX file"):
        OnnxEmbedder(setting).query("x")


def test_a_model_that_fails_is_a_provider_that_fails(folder: Path) -> None:
    from spelunk.embed.onnx import OnnxEmbedder

    setting = tiny(folder, "last_hidden_state", ["b", "s", 4])
    words = json.loads((folder / "tokenizer.json").read_text())
    words["model"]["vocab"]["beyond"] = 99  # the table has no such row
    (folder / "tokenizer.json").write_text(json.dumps(words))

    with pytest.raises(ProviderError, match="the model failed"):
        OnnxEmbedder(setting).embed(["beyond"], [])


# The folder


def test_the_id_follows_the_contents_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    first = onnx_folder.identify(f"onnx:{folder}")
    assert first.startswith("onnx-1-tiny-")

    shutil.copytree(folder, tmp_path / "elsewhere")
    assert onnx_folder.identify(f"onnx:{tmp_path / 'elsewhere'}") == first
    assert onnx_folder.identify(f"onnx:{folder}/model.onnx") == first

    (folder / "model.onnx").write_bytes(b"not a graph!")
    other = onnx_folder.identify(f"onnx:{folder}")
    describe(folder, "1_Pooling/config.json", pooling_mode_cls_token=True)
    assert len({first, other, onnx_folder.identify(f"onnx:{folder}")}) == 3


def test_a_model_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = onnx_folder.identify(f"onnx:{folder}")
    read: list[str] = []
    monkeypatch.setattr(onnx_folder, "_digest", lambda path: read.append(path) or "")

    assert onnx_folder.identify(f"onnx:{folder}") == first
    assert read == [] and (Path(index_home()) / onnx_folder.DIGESTS).exists()


def test_a_damaged_memory_of_digests_is_no_fault(folder: Path) -> None:
    first = onnx_folder.identify(f"onnx:{folder}")

    for damage in ("nonsense", "[]", json.dumps({str(folder / "model.onnx"): 3})):
        (Path(index_home()) / onnx_folder.DIGESTS).write_text(damage)
        assert onnx_folder.identify(f"onnx:{folder}") == first


def test_the_id_needs_neither_numpy_nor_the_runtime(folder: Path) -> None:
    import subprocess

    code = (
        f"from spelunk.embed import onnx_folder\nonnx_folder.identify('onnx:{folder}')\nimport sys\n"
        "print([m for m in ('numpy', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_layout_of_a_hub_is_understood(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")

    assert onnx_folder.find(f"onnx:{folder}").file == str(folder / "onnx" / "model.onnx")


@pytest.mark.parametrize(
    ("files", "longest"),
    [
        ({}, 512),
        ({"config.json": {"max_position_embeddings": 2048}}, 2048),
        ({"tokenizer_config.json": {"model_max_length": 10**30}}, 512),
        (
            {
                "sentence_bert_config.json": {"max_seq_length": 256},
                "config.json": {"max_position_embeddings": 512},
            },
            256,
        ),
    ],
)
def test_the_longest_input_is_what_the_files_say(folder: Path, files: dict[str, Any], longest: int) -> None:
    for name, values in files.items():
        describe(folder, name, **values)

    assert onnx_folder.find(f"onnx:{folder}").max_tokens == longest


def break_(folder: Path, what: str) -> None:
    match what:
        case "no graph":
            (folder / "model.onnx").unlink()
        case "two graphs":
            (folder / "model.onnx").rename(folder / "a.onnx")
            shutil.copyfile(folder / "a.onnx", folder / "b.onnx")
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
        case "bad json":
            (folder / "config.json").write_text("{")
        case "max pooling":
            describe(folder, "1_Pooling/config.json", pooling_mode_max_tokens=True)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("no graph", "no model.onnx in it"),
        ("two graphs", "several .onnx files and no model.onnx; name one of a.onnx, b.onnx"),
        ("no tokenizer", "no tokenizer.json beside model.onnx"),
        ("bad json", "config.json: cannot be read as JSON"),
        ("max pooling", "pooling pooling_mode_max_tokens is not supported"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_in_one_line(folder: Path, what: str, told: str) -> None:
    break_(folder, what)

    with pytest.raises(ConfigError, match=told) as caught:
        onnx_folder.identify(f"onnx:{folder}")
    assert "\n" not in str(caught.value)


def test_a_name_is_never_downloaded() -> None:
    with pytest.raises(ConfigError, match="nothing is ever downloaded; export the model"):
        onnx_folder.find("onnx:BAAI/bge-small-en-v1.5")
    with pytest.raises(ConfigError, match="name the model's folder"):
        onnx_folder.find("onnx:")


def test_a_graph_that_does_not_load_is_told(folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    from spelunk.embed.onnx import OnnxEmbedder

    with pytest.raises(ConfigError, match="does not load"):
        OnnxEmbedder(f"onnx:{folder}").query("x")


def test_without_the_extra_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk.embed import onnx

    monkeypatch.setattr(onnx, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"needs onnxruntime and tokenizers: pip install 'spelunk\[onnx\]'"):
        onnx.OnnxEmbedder(f"onnx:{folder}")


def test_a_folder_is_taken_from_where_the_setting_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spelunk.toml").write_text('embedder = "onnx:model"\n')
    grant(str(tmp_path), digest_of(workspace_files(str(tmp_path))))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert resolve(str(tmp_path)).embedder == f"onnx:{folder}"
    assert resolve(given={"embedder": "onnx:../model"}).embedder == f"onnx:{folder}"
    assert resolve(given={"embedder": "onnx:absent"}).embedder == "onnx:absent"


# In the command


def test_bench_compares_one_caller_with_several(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spelunk.cli import main

    setting = tiny(folder, "last_hidden_state", ["b", "s", 4])
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for n in range(8):
        (corpus / f"{n}.txt").write_text("one two three\n" * (n + 1))

    assert main(["bench", "embed", str(corpus), "--embedder", setting, "--rounds", "1", "--json"]) == 0

    made = json.loads(capsys.readouterr().out)
    rows = made["results"]
    n = rows[1]["callers"]
    assert made["about"]["chunks"] == 8 and made["about"]["dimensions"] == 64
    assert n > 1 and [(r["processes"], r["callers"]) for r in rows] == [(1, 1), (1, n)]
    assert all(r["chunks_per_second"] > 0 for r in rows)
