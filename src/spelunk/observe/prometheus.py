"""Exposition of metrics to Prometheus: a text file for node_exporter, or an HTTP endpoint.

Both use ``prometheus-client``, imported only where metrics are wanted. Its own
instruments are not used: they are process-wide where
``PROMETHEUS_MULTIPROC_DIR`` is set, and the counts of this process have to be
added to those that earlier runs left in a file.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from spelunk.errors import StorageError, UsageError
from spelunk.io import filelock
from spelunk.observe import events
from spelunk.observe.metrics import COUNTER, GAUGE, HISTOGRAM, INSTRUMENTS, Key, Metrics, at_zero, family_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

WORKSPACE: Final = "workspace"
PERIOD_SECONDS: Final = 10.0
"""How often a run that goes on writes its file: node_exporter is commonly asked every 15 s."""
HTTP_SECONDS: Final = 10.0
_COMMENTS: Final = (["HELP"], ["TYPE"])
LOCAL: Final = "127.0.0.1"


def registry(values: Callable[[], Mapping[Key, float]]) -> CollectorRegistry:
    """Create a registry whose only collector reads these samples."""
    from prometheus_client import CollectorRegistry

    class Samples:
        def collect(self) -> Iterator[Metric]:
            return _families(values())

    made = CollectorRegistry(auto_describe=False)
    made.register(Samples())
    return made


def _families(values: Mapping[Key, float]) -> Iterator[Metric]:
    from prometheus_client import Metric

    groups: dict[str, list[Key]] = {}
    for key in values:
        known = family_of(key.name)
        if known is not None:
            groups.setdefault(known.name, []).append(key)
    for known in INSTRUMENTS:
        if known.name not in groups:
            continue
        family = Metric(known.name.removesuffix("_total"), known.help, known.kind)
        for key in sorted(groups[known.name], key=_order):
            family.add_sample(key.name, dict(key.labels), values[key])
        yield family


def _order(key: Key) -> tuple[Any, ...]:
    """Sort key: series by series, and in each the buckets by bound, the sum and the count."""
    bound = dict(key.labels).get("le")
    return (
        [label for label in key.labels if label[0] != "le"],
        ("bucket", "sum", "count").index(part) if (part := key.name.rsplit("_", 1)[-1]) in ("bucket", "sum", "count") else 0,
        float(bound) if bound is not None else 0.0,
    )  # fmt: skip


def labelled(values: Mapping[Key, float], workspace: str) -> dict[Key, float]:
    """The samples with the label ``workspace``; those not counted yet are 0."""
    whole = dict.fromkeys(at_zero(), 0.0) | dict(values)
    return {Key(name, (*labels, (WORKSPACE, workspace))): value for (name, labels), value in whole.items()}


class TextFile:
    """A file for node_exporter's textfile collector, shared by any number of processes.

    What this process counted is added to what the file says, gauges are
    replaced, and the file is replaced whole under a lock on its folder. So a
    counter goes on over runs, two processes lose nothing of each other, and
    several workspaces may use one file.
    """

    def __init__(self, path: str, metrics: Metrics, workspace: str) -> None:
        """Read the file; nothing is written yet.

        Raises:
            UsageError: It cannot be written, or holds other contents.
        """
        self.path = os.path.abspath(os.path.expanduser(path))
        self._metrics = metrics
        self._workspace = workspace
        self._written: dict[Key, float] = {}
        self._next = time.monotonic() + PERIOD_SECONDS
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise UsageError(f"metrics file {path}: no such folder as {folder}; make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"metrics file {path}: {folder} cannot be written")
        self._read()

    def __call__(self, event: events.Event) -> None:
        """Write every :data:`PERIOD_SECONDS` while a run goes on; a failure is retried after the next period."""
        if type(event) is events.QueueSampled and time.monotonic() > self._next:
            try:
                self.write()
            except StorageError:
                self._next = time.monotonic() + PERIOD_SECONDS

    def write(self) -> None:
        """Add to the file what was counted since the last call.

        Raises:
            StorageError: The disk refuses; the file is as it was.
        """
        from prometheus_client import write_to_textfile

        try:
            with _alone(os.path.dirname(self.path)):
                now = labelled(self._metrics.values(), self._workspace)
                merged = self._merge(self._read(), now)
                write_to_textfile(self.path, registry(lambda: merged))
        except (OSError, UsageError) as error:
            text = error.strerror if isinstance(error, OSError) else str(error)
            raise StorageError(f"metrics file {self.path}: cannot be written: {text}") from None
        self._written = now
        self._next = time.monotonic() + PERIOD_SECONDS

    def _merge(self, old: dict[Key, float], now: Mapping[Key, float]) -> dict[Key, float]:
        own = (WORKSPACE, self._workspace)
        counted = self._metrics.values().keys()
        replaced = {key.name for key in counted if key.name.endswith("_info")}
        merged = {k: v for k, v in old.items() if k.name not in replaced or own not in k.labels}
        for key, value in now.items():
            known = family_of(key.name)
            if known is not None and known.kind in (COUNTER, HISTOGRAM):
                merged[key] = merged.get(key, 0.0) + value - self._written.get(key, 0.0)
            elif key not in merged or Key(key.name, key.labels[:-1]) in counted:
                merged[key] = value
        return merged

    def _read(self) -> dict[Key, float]:
        from prometheus_client.parser import text_string_to_metric_families

        try:
            if not os.path.isfile(self.path) and os.path.lexists(self.path):
                raise UsageError(f"metrics file {self.path}: not a regular file; choose another name")
            with open(self.path, encoding="utf-8") as f:
                text = f.read()
            families = list(text_string_to_metric_families(text))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsageError(f"metrics file {self.path}: cannot be read: {error.strerror}") from None
        except ValueError:  # UnicodeDecodeError is one
            families = None
            text = ""
        if any(line.startswith("#") and line.split()[1:2] not in _COMMENTS for line in text.splitlines()):
            families = None  # it parses, but no exporter wrote it: every line a comment, for example
        samples: dict[Key, float] = {}
        for family in families if families is not None else ():
            for sample in family.samples:
                if not sample.name.startswith("spelunk_"):
                    families = None
                elif family_of(sample.name) is not None:  # else of another version: dropped
                    samples[_ordered(sample.name, sample.labels)] = sample.value
        if families is None:
            raise UsageError(
                f"metrics file {self.path}: holds something else than Spelunk's metrics; choose another name"
            )
        return samples


def _ordered(name: str, labels: Mapping[str, str]) -> Key:
    """The key of a sample that was read: its labels in the order of its instrument."""
    known = family_of(name)
    order = [*(known.labels if known else ()), "le", WORKSPACE]
    return Key(
        name,
        tuple(
            sorted(
                labels.items(), key=lambda label: (order.index(label[0]) if label[0] in order else 99, label)
            )
        ),
    )


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Hold an exclusive lock on a folder; a file system without locks is written to all the same."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        try:
            filelock.acquire(fd, timeout=None)
        except OSError:
            pass
        yield
    finally:
        os.close(fd)


class Endpoint:
    """An HTTP server for the length of a run.

    The socket listens from the beginning. Requests are answered once the workers
    have been started, because a process with threads cannot fork; an earlier
    one waits.
    """

    def __init__(self, address: str, metrics: Metrics, workspace: str) -> None:
        """Bind the metrics server to ``address``.

        Args:
            address: ``PORT`` on the loopback address, or ``HOST:PORT``; port 0 takes a free one.
            metrics: What to show.
            workspace: Its label.

        Raises:
            UsageError: No such address, or the port is taken.
        """
        from http.server import ThreadingHTTPServer

        from prometheus_client import MetricsHandler

        host, port = _address(address)
        shown = registry(lambda: labelled(metrics.values(), workspace))
        handler = type("Handler", (MetricsHandler.factory(shown),), {"timeout": HTTP_SECONDS})

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def server_bind(self) -> None:
                # Not HTTPServer's, which asks the name service who it is.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(self.server_address)
                self.server_address = self.socket.getsockname()
                self.server_name, self.server_port = host, int(self.server_address[1])

        try:
            self._server = Server((host, port), handler)
        except OSError as error:
            raise UsageError(f"metrics port {address}: cannot listen: {error.strerror or error}") from None
        self._started = False
        os.register_at_fork(after_in_child=self._server.socket.close)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._server.server_port}/metrics"

    def __call__(self, event: events.Event) -> None:
        """Start the thread that answers once the workers are forked."""
        if type(event) is events.WorkersChosen and not self._started:
            import threading

            self._started = True
            serve = self._server.serve_forever
            threading.Thread(target=serve, args=(0.1,), name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop answering and close the socket."""
        if self._started:
            self._server.shutdown()
        self._server.server_close()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    try:
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535 or (colon and not host):
        raise UsageError(f"metrics port {text!r}: give PORT or HOST:PORT, for example 9464 or 0.0.0.0:9464")
    return host.strip("[]") or LOCAL, number


__all__ = ["GAUGE", "Endpoint", "TextFile", "labelled", "registry"]
