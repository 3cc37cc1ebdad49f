"""The contract of a reader, held by a Qdrant collection: equal answers, scores included.

The tests are those of :mod:`tests.test_contract_reader`, over another real reader.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

pytest.importorskip("qdrant_client")

from spelunk import Index
from spelunk.embed.hashed import HashedEmbedder
from spelunk.testing import MemoryReader
from tests.corpus import python_file
from tests.qdrant import collection
from tests.test_contract_reader import *  # noqa: F403
from tests.test_contract_reader import FILES, Pair, write


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("tree")
    with (
        collection() as (address, _),
        Index.open(
            root,
            index_dir=str(tmp_path_factory.mktemp("parent") / "index"),
            embedder="hashed",
            mode="sequential",
            store=address,
        ) as index,
    ):
        write(root, {"gone/a.py": python_file(90), "gone/b.md": "# Flush queue\n\nflush\n", **FILES})
        (root / "core.h").write_text("int flush_queue(int n);\nint flush_all(void);\n" * 3)
        write(root, {"docs/flush.md": "# Older\n\nqueue queue queue\n", "old/mod_3.py": python_file(3, 3)})
        index.update()
        shutil.rmtree(root / "gone")
        shutil.rmtree(root / "old")
        index.update()
        write(root, FILES)
        index.update()
        index.update()
        with index.snapshot() as snapshot:
            yield Pair(snapshot, MemoryReader.of_files(FILES, embedder=HashedEmbedder(), first_id=500))
