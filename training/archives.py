"""Here is a package's archive, give me its source files in a folder, and its licence."""

from __future__ import annotations

import email.parser
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO

PERMISSIVE = re.compile(
    r"^(mit|mit[-/].*|expat|x11|bsd|bsd[-~ \d].*|0bsd|isc|isc .*|apache|apache[-~ ].*|zlib|libpng|bsl-1\.0|boost.*|psf.*|python.*|"
    r"unlicense|cc0.*|public[- ]domain|postgresql|curl|ncsa|wtfpl.*|upl.*|w3c.*|blueoak.*|hpnd|ruby|php-3.*|zpl.*|tcl|"
    r"[23]-clause.*|new bsd.*|modified bsd.*|the mit.*|simplified bsd.*)$",
    re.I,
)
"""Licences that ask for no more than a notice. Where a choice is offered, one of these is enough."""

MAX_MEMBER = 200_000
"""Bytes of a file; larger ones are mostly data or generated."""


INSTALLED = re.compile(
    r"^usr/(share/(cargo/registry|gocode/src|rubygems-integration/[^/]+/gems|php|lua/[^/]+)|lib/ruby/vendor_ruby)(?=/)"
)
"""Where a binary package puts sources."""


def permissive(licence: str) -> bool:
    """Whether a licence expression allows use under a permissive licence."""
    choices = re.split(r"\s+or\s+|\s*\|\|\s*|\s*/\s*(?=[A-Z])", licence.strip().strip("()"), flags=re.I)
    return any(
        all(
            PERMISSIVE.match(p.strip(" ()"))
            for p in re.split(r"\s+and\s+|,\s*", choice, flags=re.I)
            if p.strip(" ()")
        )
        for choice in choices
        if choice.strip()
    )


def _members(path: str) -> Iterator[tuple[str, int, IO[bytes]]]:
    if path.endswith((".whl", ".zip")):
        with zipfile.ZipFile(path) as z:
            for info in z.infolist():
                if not info.is_dir():
                    with z.open(info) as f:
                        yield info.filename, info.file_size, f
        return
    if path.endswith(".deb"):
        made = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True)
        opened = tarfile.open(fileobj=io.BytesIO(made.stdout), mode="r|")  # noqa: SIM115 (closed below)
    else:
        opened = tarfile.open(path, mode="r|*")  # noqa: SIM115
    with opened as t:
        for m in t:
            if m.isfile() and (f := t.extractfile(m)) is not None:
                yield m.name.removeprefix("./"), m.size, f


def licence_of(archive: str, companion: str | None) -> str:
    """The licence that a package declares; ``""`` if it says none.

    Args:
        archive: A wheel, an npm tarball or a Debian upstream tarball.
        companion: For Debian, the packaging tarball with ``debian/copyright``, if it could be had.
    """
    if companion:
        for name, _, f in _members(companion):
            if name.endswith("debian/copyright"):
                return _debian_licence(f.read().decode("utf-8", "replace"))
        return ""
    for name, size, f in _members(archive):
        if re.search(r"\.orig\.tar\.\w+$", archive):
            if size < 100_000 and re.match(r"^[^/]*/?(LICEN[SC]E|COPYING)[^/]*$", name, re.I):
                return _by_text(f.read().decode("utf-8", "replace"))
        elif archive.endswith(".deb") and re.match(r"usr/share/doc/[^/]+/copyright$", name):
            return _debian_licence(f.read().decode("utf-8", "replace"))
        elif archive.endswith(".whl") and name.endswith(".dist-info/METADATA"):
            return _wheel_licence(f.read().decode("utf-8", "replace"))
        if archive.endswith(".tgz") and name == "package/package.json":
            return _npm_licence(f.read())
    return ""


def _by_text(text: str) -> str:
    """The licence whose wording a licence file holds."""
    plain = " ".join(text.split())
    for wording, name in (
        ("GNU GENERAL PUBLIC|GNU LESSER|GNU AFFERO|Mozilla Public", "copyleft"),
        ("Permission is hereby granted, free of charge", "MIT"),
        ("Apache License,? Version 2.0", "Apache-2.0"),
        ("Redistribution and use in source and binary forms", "BSD"),
        ("Permission to use, copy, modify, and/?(or)? ?distribute this software", "ISC"),
        ("free and unencumbered software", "Unlicense"),
    ):
        if re.search(wording, plain, re.I):
            return name
    return ""


def _debian_licence(text: str) -> str:
    """Of the stanza that holds for most files: ``Files: *``."""
    for stanza in re.split(r"\n\s*\n", text):
        if re.search(r"^Files:\s*(\*|\./\*|upstream/\*)\s*$", stanza, re.M) or re.search(
            r"^Files:\s*\*[\s,]", stanza, re.M
        ):
            found = re.search(r"^Licen[sc]e:\s*(\S.*)$", stanza, re.M | re.I)
            return found[1].strip() if found else ""
    return ""


def _wheel_licence(text: str) -> str:
    headers = email.parser.HeaderParser().parsestr(text)
    if headers.get("License-Expression"):
        return str(headers["License-Expression"])
    for c in headers.get_all("Classifier") or []:
        if c.startswith("License :: OSI Approved :: "):
            return str(
                c.removeprefix("License :: OSI Approved :: ")
                .removesuffix(" License")
                .replace(" Software", "")
            )
    return str(headers.get("License") or "").split("\n")[0][:60]


def _npm_licence(raw: bytes) -> str:
    try:
        value = json.loads(raw.decode("utf-8", "replace")).get("license", "")
    except ValueError:
        return ""
    return str(value.get("type", "") if isinstance(value, dict) else value)


def unpack(archive: str, into: str, wanted: re.Pattern[str], limit: int) -> int:
    """Unpack up to ``limit`` bytes of source files, chosen by a hash of their path.

    The choice is the same on every machine, and spread over the whole archive.
    """
    sizes = [
        (hashlib.md5(name.encode("utf-8", "replace")).digest(), name, size)
        for name, size, _ in _members(archive)
        if 64 < size <= MAX_MEMBER and wanted.search(name) and ".." not in name.split("/")
    ]
    chosen: set[str] = set()
    total = 0
    for _, name, size in sorted(sizes):
        if total + size <= limit:
            chosen.add(name)
            total += size
    for name, _, f in _members(archive):
        if name in chosen:
            target = os.path.join(into, *(INSTALLED.sub("", name).split("/")[1:] or [name]))
            os.makedirs(os.path.dirname(target) or into, exist_ok=True)
            try:
                with open(target, "wb") as out:
                    out.write(f.read())
            except OSError:
                continue  # a file where another entry has a folder
    return len(chosen)
