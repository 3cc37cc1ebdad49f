"""In-memory doubles of the protocols, and the logical content of an index, for tests.

Each double passes the contract tests of the real parts (``tests/test_contract_*.py``),
so that a test may use it instead of files, processes, models and networks:

========================================  ============================================
:class:`~spelunk.testing.MemoryReader`    a generation of an index, of Python data
:class:`~spelunk.testing.MemoryEmbedder`  an embedder of counted words and synonyms
:class:`~spelunk.testing.MemorySource`    a source of files from a dictionary
:class:`~spelunk.testing.MemoryExecutor`  phase 1 in this process, without pipes
========================================  ============================================
"""

from spelunk.testing.content import logical_content
from spelunk.testing.embedder import MemoryEmbedder
from spelunk.testing.executor import MemoryExecutor
from spelunk.testing.reader import MemoryReader
from spelunk.testing.source import MemorySource

__all__ = ["MemoryEmbedder", "MemoryExecutor", "MemoryReader", "MemorySource", "logical_content"]
