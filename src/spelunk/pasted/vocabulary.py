"""Word lists by which pasted text is read: extensions, headings of issue forms, labels, words that are no names."""

from __future__ import annotations

from typing import Final

_EXTENSIONS: Final = """
py pyi pyx pxd ipynb js jsx ts tsx mjs cjs mts cts vue svelte java kt kts scala sc groovy gradle clj cljs go rs c h cc cpp
cxx hh hpp hxx m mm cs fs vb rb erb rake php swift ex exs erl hrl hs lhs ml mli lua pl pm t r jl dart zig nim d pas f90 sh
bash zsh fish ps1 bat sql proto graphql html htm css scss sass less md rst txt adoc tex json jsonc yaml yml toml ini cfg
conf xml csv cmake mk tf hcl nix vim tmpl tpl j2 jinja jinja2 csproj sln props gemspec cabal
"""
EXTENSIONS: Final = frozenset(_EXTENSIONS.split())
"""Extensions by which a bare ``name.ext`` is a file and not an attribute."""

ABBREVIATIONS: Final = frozenset(("e.g", "i.e", "a.k.a", "w.r.t", "etc", "vs", "cf", "n/a"))

_NO_NAMES: Final = """
self this true false none null nil undefined def class import from return print println console.log int str string bool
float void function const let var new public private static if else for while try except catch finally raise throw with as
in is not and or lambda async await https http foo bar baz qux github iphone macos javascript typescript readme youtube main
"""
NO_NAMES: Final = frozenset(_NO_NAMES.split())
"""Keywords, placeholders and brands that have the shape of a name or stand before a bracket."""

EMPTY_ANSWERS: Final = frozenset(
    ("no response", "n/a", "na", "no", "none", "yes", "-", "nothing", "see above", "tbd", "todo")
)
"""What people leave in a field of an issue form that does not apply."""

_HEADINGS: Final = """
describe the bug|bug description|bug report|describe the issue|describe the problem|to reproduce|how to reproduce
steps to reproduce|steps to reproduce the problem|steps to reproduce the behavior|steps to reproduce the behaviour
procedure to reproduce the problem|reproduction|reproduction steps|reproducing code example|reproducible example
minimal reproducible example|minimal example|mre|mwe|code to reproduce|sample code|expected behavior|expected behaviour
expected result|expected results|expected output|actual behavior|actual behaviour|actual result|actual results
actual output|current behavior|current behaviour|observed behavior|what happened|what did you do|what did you expect
what did you expect to see|what did you see instead|what you expected to happen|what is the expected behavior
what is the current behavior|screenshots|additional context|additional information|other information|your project
command used|configuration|output|error|errors|error message|error messages|error log|error logs|error logs results|logs
relevant log output|log output|traceback|stack trace|stacktrace|full traceback|checklist|prerequisites
is your feature request related to a problem|is your feature request related to a problem please describe
describe the solution you'd like|describe alternatives you've considered|feature request|proposed solution
possible solution|possible fix|suggested solution|motivation|summary|description|problem|the problem|issue|context
details|example|question|solution|workaround|notes|note|references|reference|links|code of conduct|how to fix
issue description|bug|desired behavior|what's the problem this feature will solve|describe the feature|proposal
implementation|subject|title|test case|steps|reproduce|result|results|expected|actual|code|code sample|alternatives
severity|priority|type|component|reproduce the problem|reference to project|reproducible project your project
"""
TEMPLATE_HEADINGS: Final = frozenset(_HEADINGS.replace("\n", "|").strip("|").split("|"))
"""Headings that an issue form brings along."""
OUTPUT_ENDINGS: Final = frozenset(("output", "log", "logs", "example", "traceback"))
"""Last words of a short heading that says no more than those: ``Compiler output``."""

_ENVIRONMENT_WORDS: Final = """
environment env version versions os platform dependencies packages system browser info information device hardware setup
runtime
"""
ENVIRONMENT_WORDS: Final = frozenset(_ENVIRONMENT_WORDS.split())
"""First or last word of a short heading over a list of versions."""

_LABELS: Final = """
os|operating system|platform|python|python version|version|versions|node|node version|npm|npm version|browser|device
ruby version|go version|java version|jdk|php version|rust version|compiler|kernel|arch|architecture|distribution
extra tools|machine|release|interpreter|implementation|shell|terminal|editor|package manager|installed via
"""
LABELS: Final = frozenset(_LABELS.replace("\n", "|").strip("|").split("|"))
"""What stands before a colon in such a list."""

_NO_SCOPES: Final = """
bug fix feat feature docs doc chore error warning refactor test tests perf style build ci question note rfc title subject
issue request enhancement improvement regression hotfix wip todo update add remove revert bugfix info help problem panic fatal failed failure http
https security deprecated breaking change changed release proposal idea exception traceback
"""
NO_SCOPES: Final = frozenset(_NO_SCOPES.split())
"""What stands before the colon of a title or in brackets and names no component."""
