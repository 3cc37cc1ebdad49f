"""``spelunk completions``: print a completion script for a shell."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spelunk.cli.grammar import Flag, Grammar

SHELLS: Final = ("bash", "zsh", "fish")
_FOLDER: Final = ("DIR",)
_FILE: Final = ("PATH", "FILE", "F", "FILE|-", "PATH|-")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from spelunk.cli.grammar import grammar
    from spelunk.cli.output import put

    put({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](grammar()))
    return 0


def bash(commands: list[Grammar]) -> str:
    """A script for ``source <(spelunk completions bash)``."""
    names = " ".join(c.words[0] for c in commands)
    values, words = [], []
    for c in [x for command in commands for x in (command, *command.nested)]:
        key = " ".join(c.words)
        for flag in c.flags:
            reply = _bash_reply(flag)
            if flag.value:
                values.append(f"    {'|'.join(_quoted(f'{key}:{name}') for name in flag.names)}) {reply} ;;")
        offered = " ".join([*(f for flag in c.flags for f in flag.names), *(n.words[-1] for n in c.nested)])
        words.append(
            f"    {_quoted(key)}) flags={_quoted(offered)}; args={_quoted(' '.join(_arguments(c)))} ;;"
        )
    nesting = "|".join(c.words[0] for c in commands if c.nested) or "-"
    lines = "\n".join
    return f"""\
# bash completion for spelunk: source <(spelunk completions bash)
_spelunk() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} cmd="" flags="" args="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      --index-dir|--color|--log-format) ((i++)) ;;
      -*) ;;
      *)
        if [[ -z $cmd ]]; then
          cmd=${{COMP_WORDS[i]}}
          case $cmd in {nesting}) ;; *) break ;; esac
        else
          cmd="$cmd ${{COMP_WORDS[i]}}"
          break
        fi
        ;;
    esac
  done
  case "$cmd:$prev" in
    :--index-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    :--color) COMPREPLY=($(compgen -W "auto always never" -- "$cur")); return ;;
    :--log-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
{lines(values)}
  esac
  case $cmd in
    "") flags="--index-dir -q --quiet -v --verbose --log-format --color --version -h --help"; args={_quoted(names)} ;;
{lines(words)}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $args ]]; then
    COMPREPLY=($(compgen -W "$args" -- "$cur"))
  fi
}}
complete -o default -F _spelunk spelunk
"""


def _bash_reply(flag: Flag) -> str:
    if flag.choices:
        return f'COMPREPLY=($(compgen -W {_quoted(" ".join(flag.choices))} -- "$cur")); return'
    if flag.value in _FOLDER:
        return 'COMPREPLY=($(compgen -d -- "$cur")); return'
    return "return"  # files by bash itself, which does no harm where a number is meant


def zsh(commands: list[Grammar]) -> str:
    """A script for a file ``_spelunk`` on ``$fpath``."""
    functions = "".join(_zsh_function(c) for c in commands)
    cases = "\n".join(f"        {c.words[0]}) _spelunk_{c.words[0]} ;;" for c in commands)
    return f"""\
#compdef spelunk
# zsh completion for spelunk: spelunk completions zsh > a folder of $fpath, as _spelunk
{functions}
_spelunk() {{
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands=(
{_zsh_described(commands)}
  )
  _arguments -C \\
    '--index-dir[where the index lies]:folder:_files -/' \\
    '--color[colours]:when:(auto always never)' \\
    '--log-format[what standard error looks like]:format:(text json)' \\
    '(-q --quiet)'{{-q,--quiet}}'[only results and errors]' \\
    '(-v --verbose)'{{-v,--verbose}}'[tell more]' \\
    '--version[print the version]' \\
    '(-h --help)'{{-h,--help}}'[print help]' \\
    '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
{cases}
      esac ;;
  esac
}}

if [[ $funcstack[1] == _spelunk ]]; then _spelunk "$@"; else compdef _spelunk spelunk; fi
"""


def _zsh_described(commands: list[Grammar] | tuple[Grammar, ...]) -> str:
    return "\n".join(f"    {_quoted(c.words[-1] + ':' + c.summary)}" for c in commands)


def _zsh_function(c: Grammar) -> str:
    name = "_spelunk_" + "_".join(c.words).replace("-", "_")
    if c.nested:
        inner = "".join(_zsh_function(n) for n in c.nested)
        cases = "\n".join(
            f"        {n.words[-1]}) _spelunk_{'_'.join(n.words).replace('-', '_')} ;;" for n in c.nested
        )
        return f"""{inner}
{name}() {{
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands=(
{_zsh_described(c.nested)}
  )
  _arguments -C '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
{cases}
      esac ;;
  esac
}}
"""
    rows = [_zsh_flag(flag) for flag in c.flags]
    rows.append(f"'1:argument:({' '.join(c.values)})'" if c.values else "'*:path:_files'")
    return f"\n{name}() {{\n  _arguments {f' {chr(92)}{chr(10)}    '.join(rows)}\n}}\n"


def _zsh_flag(flag: Flag) -> str:
    about = re.sub(r"([\[\]:\\])", r"\\\1", flag.help).replace("'", "'\\''")
    value = ""
    if flag.choices:
        value = f":value:({' '.join(flag.choices)})"
    elif flag.value in _FOLDER:
        value = ":folder:_files -/"
    elif flag.value in _FILE:
        value = ":file:_files"
    elif flag.value:
        value = f":{flag.value}: "
    if len(flag.names) == 1:
        return f"'{flag.names[0]}[{about}]{value}'"
    return f"'({' '.join(flag.names)})'{{{','.join(flag.names)}}}'[{about}]{value}'"


def fish(commands: list[Grammar]) -> str:
    """A script for ``spelunk completions fish | source``."""
    out = [
        "# fish completion for spelunk: spelunk completions fish | source",
        "complete -c spelunk -n __fish_use_subcommand -f",
    ]
    for c in commands:
        name = c.words[0]
        out.append(f"complete -c spelunk -n __fish_use_subcommand -a {name} -d {_quoted(c.summary)}")
        seen = f"__fish_seen_subcommand_from {name}"
        inner = " ".join(n.words[-1] for n in c.nested)
        for n in c.nested:
            when = _quoted(f"{seen}; and not __fish_seen_subcommand_from {inner}")
            out.append(f"complete -c spelunk -n {when} -f -a {n.words[-1]} -d {_quoted(n.summary)}")
            below = _quoted(f"{seen}; and __fish_seen_subcommand_from {n.words[-1]}")
            out += [_fish_flag(below, flag) for flag in n.flags]
        if not c.nested:
            out += [_fish_flag(_quoted(seen), flag) for flag in c.flags]
        if c.values:
            out.append(f"complete -c spelunk -n {_quoted(seen)} -f -a {_quoted(' '.join(c.values))}")
    return "\n".join(out) + "\n"


def _fish_flag(when: str, flag: Flag) -> str:
    names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in flag.names)
    value = ""
    if flag.choices:
        value = f" -x -a {_quoted(' '.join(flag.choices))}"
    elif flag.value in _FOLDER:
        value = " -x -a '(__fish_complete_directories)'"
    elif flag.value:
        value = " -r" if flag.value in _FILE else " -x"
    return f"complete -c spelunk -n {when} {names}{value} -d {_quoted(flag.help)}"


def _arguments(c: Grammar) -> list[str]:
    return [*c.values, *(n.words[-1] for n in c.nested)]


def _quoted(text: str) -> str:
    """One word of any of the three shells."""
    return "'" + text.replace("'", "'\\''") + "'"
