"""Classify a path by its names alone: test, vendored, generated, documentation, example, configuration, or not worth reading.

The rules are independent of the language and look at one name at a time, so
that a walk classifies a directory's name once. Everything here is a table or a
pure function.
"""

from __future__ import annotations

import re
from typing import Final

from spelunk.files.languages import PROSE, by_extension, by_name, language_of
from spelunk.types import Flag

_TEST, _VENDORED, _GENERATED = int(Flag.TEST), int(Flag.VENDORED), int(Flag.GENERATED)
_DOCS, _EXAMPLE, _CONFIG = int(Flag.DOCS), int(Flag.EXAMPLE), int(Flag.CONFIG)
FLAGS: Final = tuple(Flag(bits) for bits in range(64))
"""Flags by their bits: combining plain integers is ten times cheaper than combining flags."""


def _words(text: str) -> list[str]:
    return text.split()


_BY_DIRECTORY: Final = {
    word: bits
    for bits, words in (
        (_TEST, """test tests __tests__ __mocks__ __snapshots__ spec specs e2e testdata test-data test_data unittest
            unittests testcases fixtures selftests kunit"""),
        (_VENDORED, """vendor vendored _vendor _vendored third_party third-party thirdparty 3rdparty 3rd_party
            external externals extern deps bower_components node_modules"""),
        (_DOCS, "doc docs documentation man manual"),
        (_EXAMPLE, """example examples _examples sample samples demo demos tutorial tutorials cookbook playground"""),
        (_CONFIG, ".github .circleci .vscode .idea .devcontainer"),
        (_GENERATED, "generated __generated__ _generated autogen auto-generated"),
    )
    for word in _words(words)
}  # fmt: skip
_TEST_DIRECTORY: Final = re.compile(
    r".*(?:[-_.](?:unit|integration)?(?:[Tt]est|[Ss]pec)s?|[a-z](?:Test|Spec)s?)"
)
_TEST_FILE: Final = re.compile(
    r"(?:test|spec)s?[-_.].*|tests?\.\w+|conftest\.py|.*[-_.](?:test|spec|e2e)s?(?:\.\w+){1,2}"
    r"|Test[A-Z0-9].*\.\w+|.*[a-z0-9](?:Tests?|Specs?|TestCase|IT)\.\w+"
)

_GENERATED_ENDS: Final = _words(
    """_pb2.py _pb2.pyi _pb2_grpc.py _pb2_grpc.pyi .pb.go .pb.gw.go .pb.cc .pb.h .pb.c .pb.swift _pb.js _pb.d.ts
    _pb.rb .pbobjc.h .pbobjc.m .g.dart .freezed.dart .gr.dart .g.cs .g.i.cs .designer.cs .Designer.cs .designer.vb
    .Designer.vb _generated.go .gen.go _gen.go _string.go _generated.rs .generated.ts .generated.js .generated.cs
    .gen.ts .gen.js .mod.c .tab.c .tab.h .lex.c .dtb.S .pbxproj .bundle.js .chunk.js"""
)
_MINIFIED_ENDS: Final = _words(".min.js .min.css .min.mjs .min.cjs .min.html -min.js -min.css .min.json")
_MAP_ENDS: Final = _words(".js.map .css.map .mjs.map .cjs.map .ts.map .min.map")
_GENERATED_STARTS: Final = ("zz_generated", "moc_", "qrc_")
_EXAMPLE_STARTS: Final = ("example_", "example-", "Example", "sample_", "demo_")

_DOC_LANGUAGES: Final = PROSE - {"text", "notebook"}
_DOC_STARTS: Final = tuple(
    _words(
        """README CHANGELOG CHANGES CONTRIBUTING HISTORY INSTALL LICENSE LICENCE COPYING NEWS AUTHORS NOTICE
        UPGRADING FAQ HACKING"""
    )
)
_DOC_ENDS: Final = (".txt", ".text")
_CONFIG_LANGUAGES: Final = frozenset(
    _words(
        """ini toml yaml properties gitignore gitattributes gomod kconfig readline requirements pymanifest xcompose
        hyprlang udev"""
    )
)
_CONFIG_FILES: Final = frozenset(
    _words(
        """package.json tsconfig.json jsconfig.json composer.json bower.json angular.json nx.json turbo.json lerna.json
    deno.json biome.json vercel.json firebase.json manifest.json global.json appsettings.json nuget.config pom.xml
    web.config app.config .babelrc .eslintrc .prettierrc .stylelintrc .swcrc .editorconfig"""
    )
)
_CONFIG_ENDS: Final = _words(".conf .config.js .config.ts .config.mjs .config.cjs .config.mts rc.json")

LOCK_FILES: Final = frozenset(
    _words(
        """package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock Cargo.lock
        poetry.lock uv.lock Pipfile.lock pdm.lock pixi.lock conda-lock.yml composer.lock Gemfile.lock gems.locked
        go.sum go.work.sum mix.lock rebar.lock pubspec.lock Podfile.lock Cartfile.resolved Package.resolved
        flake.lock packages.lock.json paket.lock gradle.lockfile buildscript-gradle.lockfile .terraform.lock.hcl
        stack.yaml.lock cabal.project.freeze buf.lock Chart.lock MODULE.bazel.lock renv.lock shard.lock"""
    )
)
"""Pinned dependency lists: long, written by tools, and matching every package name."""

BINARY_EXTENSIONS: Final = frozenset(
    _words(
        """png jpg jpeg gif bmp ico icns webp avif heic tif tiff psd xcf eps cur dds ktx ktx2 tga exr hdr
        mp3 wav ogg oga flac aac m4a wma mid midi opus mp4 m4v mov avi mkv webm wmv flv mpg mpeg
        zip gz tgz bz2 tbz2 xz txz lzma lz4 zst zstd br 7z rar tar jar war ear apk aab ipa deb rpm dmg iso cab cpio
        whl egg gem nupkg crate o a so dylib dll exe lib ko elf class pyc pyo pyd wasm dex beam rlib rmeta syso pch
        gch hi ttf otf woff woff2 eot pfb pfm pdf doc docx xls xlsx ppt pptx odt ods odp epub mobi djvu
        sqlite sqlite3 mdb accdb mmdb frm ibd rdb parquet orc feather arrow avro npy npz pkl pickle joblib h5 hdf5
        pth onnx ckpt safetensors gguf tflite rds rda rdata mo glb fbx blend 3ds usdz der p12 pfx jks keystore snk
        swp swo"""
    )
)
"""Extensions never worth opening."""

SKIPPED_DIRECTORIES: Final = {
    word: reason
    for reason, words in (
        ("dependencies", """node_modules bower_components jspm_packages web_modules site-packages .venv .tox .nox
            .eggs .bundle Pods elm-stuff .yarn .pnpm-store"""),
        ("cache", """__pycache__ .mypy_cache .pytest_cache .ruff_cache .hypothesis .ipynb_checkpoints .gradle
            .terraform .next .nuxt .svelte-kit .parcel-cache .turbo .cache .stack-work dist-newstyle .dart_tool
            .sass-cache .nyc_output .angular .bloop .metals"""),
        ("version-control", ".hg .svn .bzr .jj CVS _darcs .pijul .sl"),
    )
    for word in _words(words)
}  # fmt: skip
"""Directories left out wherever no rule of Spelunk's own re-includes them, and the reason."""

Skip = tuple[str, str]
"""Why a name is not worth opening: a stable word, and a line for people."""

_MINIFIED: Final = ("minified", "by its name")
_MAP: Final = ("source-map", "by its name")
_ENDINGS: Final = (
    *((end, _GENERATED, None) for end in _GENERATED_ENDS),
    *((end, _CONFIG, None) for end in _CONFIG_ENDS),
    *((end, 0, _MINIFIED) for end in _MINIFIED_ENDS),
    *((end, 0, _MAP) for end in _MAP_ENDS),
)

_ALL_ENDINGS: Final = tuple(end for end, _, _ in _ENDINGS)

Extension = tuple[str, int, Skip | None, tuple[str, ...]]
"""What an extension decides: language, flags, why to skip, and the longer endings worth a look."""


def _learn(extension: str) -> Extension | None:
    """What an extension alone decides; None if the whole name matters."""
    lowered = extension.lower()
    endings = tuple(end for end, _, _ in _ENDINGS if end.rpartition(".")[2] == extension)
    if lowered in BINARY_EXTENSIONS:
        return "text", 0, ("binary", f"by its extension .{lowered}"), endings
    language = by_extension(extension)
    if language is None:
        return None
    return language, language_bits(language), None, endings


def language_bits(language: str) -> int:
    """The flags' bits of every file of a language."""
    return _DOCS if language in _DOC_LANGUAGES else _CONFIG if language in _CONFIG_LANGUAGES else 0


_extensions: dict[str, Extension | None] = {}


def describe(name: str) -> tuple[str, int, Skip | None]:
    """The language, the flags' bits and a reason to skip a file of this name."""
    if name in LOCK_FILES:
        return language_of(name), _CONFIG, ("lock-file", "a pinned dependency list")
    language = by_name(name)
    bits = 0
    skip: Skip | None = None
    endings: tuple[str, ...]
    if language is None:
        extension = name[name.rfind(".") + 1 :]
        known = _extensions.get(extension, ...) if extension != name else None
        if known is ...:
            known = _extensions[extension] = _learn(extension)
        if known is None:
            language = language_of(name)
            bits = language_bits(language)
            endings = _ALL_ENDINGS if extension != name else ()
        else:
            language, bits, skip, endings = known
        if endings and name.endswith(endings):
            for end, more, reason in _ENDINGS:
                if name.endswith(end):
                    bits |= more
                    skip = skip or reason
    else:
        bits = language_bits(language)
    if ("est" in name or "pec" in name or "e2e" in name or "IT." in name) and _TEST_FILE.fullmatch(name):
        bits |= _TEST
    if language == "text" and (name.startswith(_DOC_STARTS) or name.endswith(_DOC_ENDS)):
        bits |= _DOCS
    if name in _CONFIG_FILES:
        bits |= _CONFIG
    if name.startswith(_GENERATED_STARTS):
        bits |= _GENERATED
    if name.startswith(_EXAMPLE_STARTS):
        bits |= _EXAMPLE
    return language, bits, skip


def directory_bits(name: str) -> int:
    """The flags' bits that a directory's name gives to everything below it."""
    bits = _BY_DIRECTORY.get(name) or _BY_DIRECTORY.get(name.lower())
    if bits is not None:
        return bits
    if ("est" in name or "pec" in name) and _TEST_DIRECTORY.fullmatch(name):
        return _TEST
    return 0


def path_flags(path: str) -> Flag:
    """All facts of a relative path: of its directories and of its name."""
    *directories, name = path.split("/")
    bits = describe(name)[1]
    for directory in directories:
        bits |= directory_bits(directory)
    return FLAGS[bits]
