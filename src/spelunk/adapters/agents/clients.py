"""The coding agents that Spelunk can be installed into, and the files that each of them documents.

Files are those of the project where a client reads such, and the user's own
otherwise. ``docs/agents.md`` shows the table.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final, NamedTuple

from spelunk.adapters.agents.json_edit import JsonEntry
from spelunk.io.cache_dir import home_folder

NAME: Final = "spelunk"
AGENTS: Final = "AGENTS.md"


class AgentClient(NamedTuple):
    """A client and its files.

    Attributes:
        title: For people.
        config: The file that names MCP servers: relative to the project, or with ``~`` to the home folder.
        path: Keys down to the servers in it.
        form: How a server is written, a name in ``_FORMS``.
        block: The instruction file of the project that gets the marked block; "" for none.
        rules: A rule file of our own in the project; "" for none.
        agent: A file for a sub-agent in the project; "" for none.
        hook: The file with its hooks; "" for none.
        event: The hook's event, after a tool has run.
        matcher: The client's own tools that search.
        found_by: Folders or files, relative to project or home, that tell that the client is used here.
    """

    title: str
    config: str
    path: tuple[str, ...] = ("mcpServers",)
    form: str = "plain"
    block: str = AGENTS
    rules: str = ""
    agent: str = ""
    hook: str = ""
    event: str = "PostToolUse"
    matcher: str = ""
    found_by: tuple[str, ...] = ()


_CODE: Final = "~/Library/Application Support/Code" if sys.platform == "darwin" else "~/.config/Code"
_CLAUDE_DESKTOP: Final = (
    "~/Library/Application Support/Claude" if sys.platform == "darwin" else "~/.config/Claude"
)
_TOML: Final = "toml"

CLIENTS: Final[dict[str, AgentClient]] = {
    "claude": AgentClient(
        "Claude Code",
        ".mcp.json",
        block="CLAUDE.md",
        agent=".claude/agents/spelunk.md",
        hook=".claude/settings.json",
        matcher="Grep|Glob",
        found_by=(".claude", "CLAUDE.md", "~/.claude"),
    ),
    "codex": AgentClient("Codex", ".codex/config.toml", form=_TOML, found_by=(".codex", "~/.codex")),
    "cursor": AgentClient(
        "Cursor",
        ".cursor/mcp.json",
        form="cursor",
        agent=".cursor/agents/spelunk.md",
        found_by=(".cursor", "~/.cursor"),
    ),
    "vscode": AgentClient(
        "VS Code",
        ".vscode/mcp.json",
        ("servers",),
        "vscode",
        agent=".github/agents/spelunk.agent.md",
        found_by=(".vscode", _CODE),
    ),
    "copilot": AgentClient(
        "GitHub Copilot CLI",
        "~/.copilot/mcp-config.json",
        form="copilot",
        agent=".github/agents/spelunk.agent.md",
        found_by=("~/.copilot",),
    ),
    "gemini": AgentClient(
        "Gemini CLI",
        ".gemini/settings.json",
        block="GEMINI.md",
        agent=".gemini/agents/spelunk.md",
        hook=".gemini/settings.json",
        event="AfterTool",
        matcher="grep_search|search_file_content|glob",
        found_by=(".gemini", "GEMINI.md", "~/.gemini"),
    ),
    "opencode": AgentClient(
        "opencode",
        "opencode.json",
        ("mcp",),
        "opencode",
        agent=".opencode/agents/spelunk.md",
        found_by=("opencode.json", ".opencode", "~/.config/opencode"),
    ),
    "zed": AgentClient(
        "Zed", ".zed/settings.json", ("context_servers",), "zed", found_by=(".zed", "~/.config/zed")
    ),
    "windsurf": AgentClient(
        "Windsurf",
        "~/.codeium/windsurf/mcp_config.json",
        rules=".windsurf/rules/spelunk.md",
        block="",
        found_by=("~/.codeium/windsurf",),
    ),
    "cline": AgentClient(
        "Cline",
        f"{_CODE}/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        rules=".clinerules/spelunk.md",
        block="",
        found_by=(".clinerules", f"{_CODE}/User/globalStorage/saoudrizwan.claude-dev"),
    ),
    "roo": AgentClient("Roo Code", ".roo/mcp.json", found_by=(".roo",)),
    "kilocode": AgentClient("Kilo Code", ".kilocode/mcp.json", found_by=(".kilocode",)),
    "kiro": AgentClient("Kiro", ".kiro/settings/mcp.json", found_by=(".kiro", "~/.kiro")),
    "amp": AgentClient("Amp", ".amp/settings.json", ("amp.mcpServers",), found_by=(".amp", "~/.config/amp")),
    "qwen": AgentClient(
        "Qwen Code", ".qwen/settings.json", block="QWEN.md", found_by=(".qwen", "QWEN.md", "~/.qwen")
    ),
    "crush": AgentClient(
        "Crush", "crush.json", ("mcp",), "typed", found_by=("crush.json", ".crush", "~/.config/crush")
    ),
    "junie": AgentClient(
        "Junie", ".junie/mcp/mcp.json", block=".junie/AGENTS.md", found_by=(".junie", "~/.junie")
    ),
    "factory": AgentClient(
        "Factory Droid", ".factory/mcp.json", form="typed", found_by=(".factory", "~/.factory")
    ),
    "claude-desktop": AgentClient(
        "Claude Desktop",
        f"{_CLAUDE_DESKTOP}/claude_desktop_config.json",
        block="",
        found_by=(_CLAUDE_DESKTOP,),
    ),
    "lmstudio": AgentClient("LM Studio", "~/.lmstudio/mcp.json", block="", found_by=("~/.lmstudio",)),
}


def server_entry(client: AgentClient, command: str) -> JsonEntry:
    """The entry of a JSON configuration that starts the MCP server."""
    plain: dict[str, Any] = {"command": command, "args": ["mcp"]}
    value = {
        "plain": plain,
        # These two start servers elsewhere than in the project's folder.
        "cursor": plain | {"args": ["mcp", "${workspaceFolder}"]},
        "vscode": {"type": "stdio"} | plain | {"args": ["mcp", "${workspaceFolder}"]},
        "typed": {"type": "stdio"} | plain,
        "copilot": {"type": "local"} | plain | {"tools": ["*"]},
        "opencode": {"type": "local", "command": [command, "mcp"], "enabled": True},
        "zed": {"source": "custom"} | plain,
    }[client.form]
    return JsonEntry(client.path, NAME, value)


def server_toml(command: str) -> str:
    """The table of a TOML configuration that starts the MCP server."""
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    return f'[mcp_servers.{NAME}]\ncommand = "{quoted}"\nargs = ["mcp"]\n'


def hook_entry(client: AgentClient, name: str, command: str) -> JsonEntry:
    """The entry that has ``spelunk agent-hook`` run after the client's own search."""
    milliseconds = client.event == "AfterTool"
    hook = {
        "type": "command",
        "command": f"{_shell_quoted(command)} agent-hook {name}",
        "timeout": 5_000 if milliseconds else 5,
    }
    return JsonEntry(("hooks", client.event), None, {"matcher": client.matcher, "hooks": [hook]})


def _shell_quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


def is_used_here(client: AgentClient, root: str) -> bool:
    """Whether a client's files show that it is used in a project or by this user."""
    return any(os.path.exists(located(path, root)) for path in client.found_by)


def located(path: str, root: str) -> str:
    """The absolute path of a client's file."""
    return home_folder() + path[1:] if path.startswith("~/") else os.path.join(root, path)


INSTRUCTIONS: Final = """\
## Searching this project

Use the `spelunk` MCP tools to find code and documents here:

- `search`: whole questions, words or names, before grepping or listing files
- `read`: the lines that an answer cites (`path:start-end`)
- `outline`: what a file defines; `related`: what resembles a place
- `symbol`: definition, references, callers, callees; `impact`: what a change reaches; `map`: the project on a page

Without MCP: `spelunk search "question"`. The index is kept up to date by itself.
"""

SUB_AGENT: Final = """\
---
name: spelunk
description: Finds code and documents in this project and answers with citations. Use it to explore, to locate where something is done, and before changing code that you do not know.{more}
---

Find what was asked for with the `spelunk` tools: `search` with the whole question, then with names that
the answers bring up; `outline` and `read` for the lines that matter; `related` for places that resemble one.
If they are not available, run `spelunk search "question"`.

Answer in a few lines with citations as `path:start-end`. Say so if nothing was found.
"""


def sub_agent(name: str) -> str:
    """The file of the sub-agent for a client."""
    return SUB_AGENT.format(more="\nmode: subagent" if name == "opencode" else "")
