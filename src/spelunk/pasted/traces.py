"""Stack traces and messages in the lines of a text, with the places they lead to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from spelunk.pasted.frames import Format, Found, compiled, find
from spelunk.pasted.types import FileMention

MAX_GAP: Final = 25
"""Lines between two frames of one trace: IPython shows ten lines of source around each."""

OUTWARDS: Final = 0.25
"""A frame n calls outwards from the innermost weighs 1 / (1 + n / 4)."""
PLATFORM: Final = 0.1
"""Weight of a frame in a standard library, which does not count as a call."""
OTHER_TRACE: Final = 0.7
"""Weight of a trace beside the one that failed: a wrapping exception, another process."""
OTHER_THREAD: Final = 0.3
MESSAGE: Final = 0.9
"""Weight of the place of a compiler's or a test runner's message; the n-th weighs 1 / (1 + n / 8) of it."""
WARNING: Final = 0.5

_BREAK: Final = re.compile(
    r"\s*+(?:\S++ +)?(?:Traceback|Caused by:|Suppressed:|During handling of|The above exception|goroutine \d|"
    r"Exception in thread|Thread \d|Backtrace|stack backtrace)",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    r"\s*+(?:\S++ +)?(?:Traceback \(most recent|goroutine \d++ \[|stack backtrace|Backtrace:|Stack trace:|CallStack)",
    re.IGNORECASE,
)
_THREAD: Final = re.compile(r"\s*+(?:goroutine|Thread) \d", re.IGNORECASE)
_PLATFORM_PATH: Final = re.compile(
    r"[Pp]ython\d*+/[Ll]ib/(?!site-packages)|/lib(?:64)?/python[\d.]++/(?!site-packages|dist-packages)|^<frozen|^(?:node:|internal/)|node:internal|^/rustc/|/rustlib/"
    r"|/go/src/(?:runtime|net|testing|reflect|sync)/|/usr/local/go/|/libexec/src/|/lib/ruby/[\d.]++/(?!gems)|/ruby/[\d.]++/lib/|^/build/glibc|\.\./sysdeps/"
    r"|^(?:java|javax|sun|jdk|kotlin|kotlinx|scala)/|^(?:System|Microsoft)/|/usr/include/|/rt/"
)
_INSTALLED: Final = re.compile(
    r"(?:.*/)?(?:site-packages|dist-packages|node_modules|gems/[^/]+|registry/src/[^/]+/[^/]+|pkg/mod(?:/[^/@]+)*(?=/[^/@]+@)|vendor/bundle|Cellar/[^/]+/[^/]+)/(?=.)"
)
_VERSION: Final = re.compile(r"@v?\d[^/]*+")
_UPWARDS: Final = re.compile(r"(?:(?:\.{1,2}|~)/)+")
_DRIVE: Final = re.compile(r"/?[A-Za-z]:/")


def where(path: str) -> tuple[str, int]:
    """A written path with ``/`` and without the folders of a machine, and how much of it must fit."""
    path = path.replace("\\\\", "\\").replace("\\", "/").replace("%20", " ").strip()
    installed = _INSTALLED.match(path)
    if installed is not None and installed.end() < len(path):
        path = _VERSION.sub("", path[installed.end() :])
        return path, path.count("/") + 1
    drive = _DRIVE.match(path)
    absolute = drive is not None or path.startswith(("/", "~"))
    path = path[drive.end() :] if drive else path
    path = path.lstrip("/")
    up = _UPWARDS.match(path)
    path = (path[up.end() :] if up else path).strip("/")
    return path, 2 if absolute and "/" in path else 1


class Frame(Struct):
    """A frame at a line of the text."""

    at: int
    found: Found
    line: int | None = None
    function: str = ""


class Trace(Struct):
    """Frames that stand together, outermost first or last as their format has it."""

    frames: list[Frame] = field(default_factory=list)
    reverse: bool = False
    cause: str = ""


def scan(rows: Sequence[str], formats: Sequence[Format]) -> tuple[list[Trace], dict[int, Found]]:
    """The traces of the rows, and the messages by the number of their row."""
    traces: list[Trace] = []
    messages: dict[int, Found] = {}
    fresh, cause, last_first = True, "", False
    formats = tuple(formats)
    if not formats:
        return traces, messages
    for n, row in enumerate(rows):
        if _BREAK.match(row):
            fresh = True
            lowered = row.lower()
            if "caused by" in lowered or "suppressed" in lowered:
                cause = "cause"
            elif "direct cause" in lowered:
                cause = "effect"
            elif "during handling" in lowered:
                cause = "again"
            elif _THREAD.match(row):
                cause = "thread"
            elif "most recent call last" in lowered:
                last_first = True
        found = find(row, formats)
        if found is None:
            continue
        frame = Frame(n, found, found.line, found.function)
        _look_around(frame, rows)
        if not found.format.order:
            messages[n] = replace(found, line=frame.line)
            continue
        last = traces[-1] if traces else None
        if (
            fresh
            or last is None
            or n - last.frames[-1].at > MAX_GAP
            or last.frames[-1].found.format.order != found.format.order
        ):
            traces.append(Trace([], last_first or found.format.order == "last", cause))
            fresh, cause, last_first = False, "", False
        traces[-1].frames.append(frame)
    return traces, messages


def _look_around(frame: Frame, rows: Sequence[str]) -> None:
    """Fill in what the format has on the line before or on a line after."""
    f = frame.found.format
    if f.before and not frame.function and frame.at:
        m = compiled(f.before).match(rows[frame.at - 1][:500].strip())
        if m is not None:
            frame.function = next((g for g in m.groups() if g), "")
    if f.after and frame.line is None:
        for row in rows[frame.at + 1 : frame.at + 12]:
            m = compiled(f.after).match(row.lstrip())
            if m is not None:
                frame.line = int(m["line"])
                break


def places_of(traces: Sequence[Trace]) -> list[FileMention]:
    """The places of all frames with their weights."""
    found: list[FileMention] = []
    factors = _factors(traces)
    for trace, factor in zip(traces, factors, strict=True):
        calls = 0
        for frame in reversed(trace.frames) if trace.reverse else trace.frames:
            place = _place(frame)
            if place is None:
                continue
            platform = is_platform(frame.found.path) or is_platform(place.path)
            weight = PLATFORM if platform else 1 / (1 + OUTWARDS * calls)
            calls += not platform
            found.append(replace(place, weight=round(max(0.05, weight) * factor, 4)))
    return found


def is_header(row: str) -> bool:
    """Whether a row begins a trace and says nothing else."""
    return _HEADER.match(row) is not None


def message_places(messages: Mapping[int, Found]) -> dict[int, FileMention]:
    """The places of messages with their weights, by the number of their row."""
    found: dict[int, FileMention] = {}
    for row, message in messages.items():
        path, least = where(message.path)
        weight = WARNING if message.message[:7].lower() in ("warning", "note: u") else MESSAGE
        weight *= PLATFORM if is_platform(message.path) else 1 / (1 + len(found) / 8)
        if path:
            found[row] = FileMention(path, message.line, message.function, round(weight, 4), "message", least)
    return found


def is_platform(path: str) -> bool:
    """Whether a path is one of a standard library."""
    return _PLATFORM_PATH.search(path.replace("\\", "/")) is not None


def _factors(traces: Sequence[Trace]) -> list[float]:
    """The weight of each trace: that of the root cause is 1."""
    factors = [1.0 if n == 0 else OTHER_TRACE for n in range(len(traces))]
    for n, trace in enumerate(traces):
        if trace.cause in ("cause", "again") and n:  # the root, or the last that was raised
            factors[n], factors[n - 1] = factors[n - 1], OTHER_TRACE
        elif trace.cause == "thread" and n:
            factors[n] = OTHER_THREAD
    return factors


_AROUND: Final = re.compile(r"(?:block (?:\([^)]*\) )?in |rescue in |ensure in )+")
_GENERIC: Final = re.compile(r"<(\w+)>[\w|]*|\[[^\]]*\]|`\d+")
_LAMBDA: Final = re.compile(r"(?:lambda\$|\$?anonfun\$)(\w+?)\$\d+")


def _place(frame: Frame) -> FileMention | None:
    found = frame.found
    path, least = where(found.path) if found.path else ("", 1)
    function = _AROUND.sub("", _LAMBDA.sub(r"\1", frame.function))
    if found.qualified:
        names = [
            p
            for p in re.split(r"[.$]", _GENERIC.sub(r"\1", _LAMBDA.sub(r"\1", found.qualified)))
            if p and not p.isdigit()
        ]
        if "/" not in path:  # the file of a package: org.jsoup.nodes.Element.append in Element.java
            packages = names[:-2]
            classes = next((n for n, p in enumerate(packages) if p[:1].isupper()), len(packages))
            if path:
                path, least = "/".join([*packages[:classes], path]), classes + 1
                names = names[classes:]
            else:
                path, least, names = "/".join(names[:-1]), 1, names[-2:]
        function = ".".join(n for n in names if n not in ("<init>", "<clinit>", "ctor"))
    if path.startswith("<") or not path:
        return None
    if function.startswith("<") or function in ("eval", "top (required)"):
        function = ""
    return FileMention(path, frame.line, function, 1.0, "frame", least)
