"""Embed through an HTTP API that is compatible with OpenAI's ``POST /embeddings``.

A request carries a model's name and a list of texts, an answer one vector a
text with its index (`API reference
<https://platform.openai.com/docs/api-reference/embeddings>`_; many servers
speak it). Failures are told apart, because each has its own remedy:

======================================  ===================================
no connection, 5xx, cut off, too slow   tried again, counted by the breaker
429                                     tried again when the provider says
400, 413, 422, an unusable answer       :class:`RefusedError`: a text is at fault
3xx, 401, 403, 404 and any other        :class:`ProviderDownError`
======================================  ===================================
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spelunk.config import Options
from spelunk.embed.protocol import API, api_id
from spelunk.errors import ConfigError, ProviderDownError, ProviderError, RefusedError
from spelunk.observe import Observer, null_observer
from spelunk.remote.breaker import Breaker, TransientError
from spelunk.remote.calls import Calls, need, retry_after

if TYPE_CHECKING:
    from urllib3 import PoolManager
    from urllib3.response import BaseHTTPResponse

    from spelunk.embed.protocol import Matrix

BREAKER: Final = "embedder"
STEP: Final = 64
"""Dimensions are padded with zeros to a multiple of this, which changes no cosine."""
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
READ_BYTES: Final = 64 * 1024
TEXT_STATUSES: Final = frozenset((400, 413, 422))
TRANSIENT_STATUSES: Final = frozenset((408, 409, 425, 500, 502, 503, 504, 507, 529))
SHOWN_CHARS: Final = 200

_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ApiEmbedder:
    """The embedder behind an API. Nothing is sent before the first call; threads may share it."""

    in_workers = False
    semantic = True

    def __init__(
        self, options: Options, directory: str | None = None, observer: Observer = null_observer
    ) -> None:
        """Check the settings.

        Raises:
            ConfigError: The model, the address, or a library is missing.
        """
        self.id = api_id(options)
        for module in ("urllib3", "tenacity"):
            need(module)
        if not options.embedding_url:
            raise ConfigError(
                f"embedder {options.embedder!r} needs an address: set SPELUNK_EMBEDDING_URL, "
                "for example to https://api.openai.com/v1"
            )
        self._model = options.embedder[len(API) :].strip()
        self._url = options.embedding_url + "/embeddings"
        self._options = options
        self._width = options.embedding_dimensions
        self.batch = options.embedding_batch
        self.concurrency = options.embedding_concurrency
        breaker = Breaker(
            BREAKER, failures=options.breaker_failures, wait=options.breaker_wait, directory=directory, observer=observer
        )  # fmt: skip
        self.calls = Calls(
            breaker, attempts=options.retry_attempts, wait=options.retry_wait, max_wait=options.retry_max_wait
        )
        self._http: PoolManager | None = None

    @property
    def dimensions(self) -> int:
        """Columns of every matrix; 0 until the first answer where the settings leave it to the API."""
        return -(-self._width // STEP) * STEP

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`."""
        seconds = self._options.embedding_timeout
        return self.calls.patiently(lambda: self._ask(texts, seconds), seconds)

    def query(self, text: str) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.query`; one try, within ``query_timeout``."""
        seconds = self._options.query_timeout
        row: Matrix = self.calls.once(lambda: self._ask([text], seconds), seconds)[0]
        return row

    def _ask(self, texts: Sequence[str], seconds: float) -> Matrix:
        """One request and its answer as a matrix."""
        body: dict[str, Any] = {"model": self._model, "input": [self._fit(t) for t in texts]}
        if self._options.embedding_dimensions:
            body["dimensions"] = self._options.embedding_dimensions
        return self._matrix(self._post(body, seconds), len(texts))

    def _fit(self, text: str) -> str:
        """The part of a text that is sent: without control characters and lone surrogates, cut, never empty."""
        return _UNFIT.sub(" ", text[: self._options.embedding_max_chars]).strip() or "-"

    def _post(self, body: dict[str, Any], seconds: float) -> bytes:
        import urllib3
        from urllib3.exceptions import HTTPError

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        key = self._key()
        if key:
            headers["Authorization"] = f"Bearer {key}"
        end = time.monotonic() + seconds
        try:
            answer = self._manager().request(
                "POST", self._url, body=json.dumps(body).encode(), headers=headers,
                timeout=urllib3.Timeout(total=seconds), retries=False, redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                data = _read(answer, end)
            except BaseException:
                answer.close()  # not fit for another request
                raise
            answer.release_conn()
        except (HTTPError, OSError) as error:
            raise TransientError(f"{self._url}: {self._clean(_reason(error))}") from None
        self._judge(answer, data)
        return data

    def _key(self) -> str:
        name = self._options.embedding_key_env
        key = os.environ.get(name, "").strip() if name else ""
        if not key.isascii() or not key.isprintable():
            raise ProviderDownError(f"the key in {name} has characters that no header can carry")
        return key

    def _manager(self) -> PoolManager:
        if self._http is None:
            from urllib.parse import urlsplit
            from urllib.request import getproxies, proxy_bypass

            import urllib3

            parts = urlsplit(self._url)
            proxy = getproxies().get(parts.scheme)
            size = self.concurrency
            if proxy and not proxy_bypass(parts.hostname or ""):
                self._http = urllib3.ProxyManager(proxy, maxsize=size)
            else:
                self._http = urllib3.PoolManager(maxsize=size)
        return self._http

    def _judge(self, answer: BaseHTTPResponse, data: bytes) -> None:
        status = answer.status
        if status == 200:
            return
        message = f"{self._url} answered {status}{self._error_text(data)}"
        if status == 429:
            after = retry_after(answer.headers.get("Retry-After"), time.time())
            raise TransientError(message, after, counts=False)
        if status in TRANSIENT_STATUSES or status >= 500:
            raise TransientError(message, retry_after(answer.headers.get("Retry-After"), time.time()))
        if status in TEXT_STATUSES:
            raise RefusedError(message)
        if status in (401, 403):
            name = self._options.embedding_key_env
            there = "is refused" if self._key() else "is not set"
            raise ProviderDownError(f"{message}; the key in {name or '(no variable named)'} {there}")
        if 300 <= status < 400:
            to = self._clean(answer.headers.get("Location", "elsewhere"))
            raise ProviderDownError(
                f"{message}: it redirects to {to}; set SPELUNK_EMBEDDING_URL to the final address"
            )
        raise ProviderDownError(f"{message}; check SPELUNK_EMBEDDING_URL and the model's name")

    def _error_text(self, data: bytes) -> str:
        """The message of an error's body, without the key and without line breaks."""
        try:
            value = json.loads(data)
            error = value.get("error", value)
            text = error if isinstance(error, str) else error.get("message", "")
        except (ValueError, AttributeError):
            text = ""
        text = self._clean(text) if isinstance(text, str) else ""
        return f": {text}" if text else ""

    def _clean(self, text: str) -> str:
        key = self._key()
        if key:
            text = text.replace(key, "***")
        return " ".join(_UNFIT.sub(" ", text).split())[:SHOWN_CHARS]

    def _matrix(self, data: bytes, count: int) -> Matrix:
        """The vectors of an answer at unit length, in the order of the texts.

        Raises:
            RefusedError: It is not what was asked for.
            ProviderError: It has other dimensions than those before.
        """
        try:
            listed = json.loads(data)["data"]
            if len(listed) != count:
                raise RefusedError(f"{self._url} returned {len(listed)} vectors for {count} texts")
            if sorted(entry.get("index", n) for n, entry in enumerate(listed)) != list(range(count)):
                raise RefusedError(f"{self._url} returned vectors whose indexes are not those of the texts")
            rows = [entry["embedding"] for _, entry in sorted(enumerate(listed), key=_index)]
            widths = {len(row) for row in rows}
            matrix: Matrix = (
                np.asarray(rows, np.float32) if len(widths) == 1 else np.zeros((0, 0), np.float32)
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            detail = f"{type(error).__name__}" if not isinstance(error, json.JSONDecodeError) else "not JSON"
            raise RefusedError(f"{self._url} returned an answer that cannot be read ({detail})") from None
        if len(widths) != 1 or matrix.ndim != 2 or not matrix.size:
            raise RefusedError(f"{self._url} returned vectors of different or no dimensions")
        if not np.isfinite(matrix).all():
            raise RefusedError(f"{self._url} returned a vector with values that are not numbers")
        width = matrix.shape[1]
        if self._width and width != self._width:
            # No text is at fault: which width is wrong is not known, so no text is refused.
            raise ProviderError(f"{self._url} returned vectors of {width} dimensions, not of {self._width}")
        self._width = width
        return _unit(matrix, self.dimensions)


def _index(item: tuple[int, dict[str, Any]]) -> int:
    return int(item[1].get("index", item[0]))


def _unit(matrix: Matrix, dimensions: int) -> Matrix:
    """Rows at unit length, padded with zeros to ``dimensions`` columns; a row of zeros stays one."""
    wide = matrix.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    norms[norms == 0] = 1
    out = np.zeros((len(matrix), dimensions), np.float32)
    out[:, : matrix.shape[1]] = wide / norms[:, None]
    return out


def _read(answer: BaseHTTPResponse, end: float) -> bytes:
    """The whole body, unless it is too long or comes too slowly."""
    parts: list[bytes] = []
    total = 0
    while True:
        part = answer.read1(READ_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)
        total += len(part)
        if total > MAX_ANSWER_BYTES:
            raise ProviderError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > end:
            raise TransientError("the answer came too slowly")


def _reason(error: BaseException) -> str:
    """The reason of a failed request, in a few words."""
    from urllib3 import exceptions as e

    if isinstance(error, e.NameResolutionError):  # each is a kind of the next
        return "the host name cannot be resolved"
    if isinstance(error, e.NewConnectionError):
        return "no connection (" + str(error).rsplit("] ", 1)[-1] + ")"
    if isinstance(error, (e.TimeoutError, TimeoutError)):
        return "no answer in time"
    if isinstance(error, e.SSLError):
        return f"no secure connection ({error})"
    return f"the connection broke ({type(error).__name__})"
