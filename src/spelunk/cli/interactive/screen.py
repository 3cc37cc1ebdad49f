"""The screen of an interactive search: a line to type in, the hits, a preview, on prompt_toolkit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.document import Document
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.layout import HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from spelunk.cli import editor
from spelunk.cli.interactive.paint import best_line, list_pieces, preview_pieces, status_pieces
from spelunk.cli.interactive.session import Session
from spelunk.errors import SpelunkError
from spelunk.present.places import path_of
from spelunk.present.snippet import finder

ESCAPE_SECONDS: Final = 0.05
"""How long a lone Esc waits for the rest of a key's sequence; vim's users set about that."""
FIXED_ROWS: Final = 3
"""The line to type in, the rule and the status."""

STYLE: Final = Style.from_dict(
    {
        "path": "ansimagenta",
        "line": "ansigreen",
        "match": "bold ansired",
        "dim": "ansibrightblack",
        "selected": "reverse",
        "rule": "ansibrightblack",
        "status": "reverse",
        "status.on": "reverse bold",
    }
)


class Screen:
    """The application. ``run`` returns when the user leaves.

    Args:
        session: What is searched.
        prefixes: What paths of hits have before them, by root.
        input: Where keys come from; the terminal by default.
        output: Where the screen is; the terminal by default.
    """

    def __init__(
        self,
        session: Session,
        prefixes: Mapping[str, str],
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self.session = session
        self._prefixes = prefixes
        self._terminated = False
        state = session.state
        self._buffer = Buffer(
            document=Document(state.wanted.query),
            multiline=False,
            on_text_changed=lambda buffer: session.ask(buffer.text),
        )
        self.application: Application[None] = Application(
            layout=self._layout(),
            key_bindings=self._keys(),
            style=STYLE,
            full_screen=True,
            input=input,
            output=output,
        )
        self.application.ttimeoutlen = ESCAPE_SECONDS
        self.application.timeoutlen = ESCAPE_SECONDS

    def run(self) -> None:
        """Show the screen until the user leaves."""
        before = signal.getsignal(signal.SIGTERM)
        try:
            self.application.run(pre_run=self._begin)
        finally:
            if threading.current_thread() is threading.main_thread():  # the end of the loop has reset it
                signal.signal(signal.SIGTERM, before)
        if self._terminated:
            signal.raise_signal(signal.SIGTERM)

    def _begin(self) -> None:
        if threading.current_thread() is threading.main_thread():
            # Between two callbacks: an exception inside one would be taken for a fault of the screen.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._terminate)

        def apply(change: Any) -> None:
            def in_loop() -> None:
                change()
                self.application.invalidate()

            if self.application.loop is not None and self.application.is_running:
                self.application.loop.call_soon_threadsafe(in_loop)

        self.session.changed = apply
        self.session.ask(self._buffer.text)

    def _terminate(self) -> None:
        self._terminated = True
        if not self.application.is_done:
            self.application.exit()

    def _layout(self) -> Layout:
        state = self.session.state
        typed = Window(
            BufferControl(self._buffer, input_processors=[BeforeInput("> ", "class:line")]), height=1
        )
        hits = FormattedTextControl(
            lambda: list_pieces(state),
            get_cursor_position=lambda: Point(0, state.selected),
            show_cursor=False,
        )
        preview = FormattedTextControl(lambda: preview_pieces(state, self._preview_rows()))
        status = FormattedTextControl(lambda: status_pieces(state))
        rows = HSplit(
            [
                typed,
                Window(hits, height=lambda: Dimension.exact(self._list_rows()), wrap_lines=False),
                Window(height=1, char="─", style="class:rule"),
                Window(preview, wrap_lines=False),
                Window(status, height=1, style="class:status"),
            ]
        )
        return Layout(rows, focused_element=typed)

    def _rows(self) -> int:
        return max(0, self.application.output.get_size().rows - FIXED_ROWS)

    def _list_rows(self) -> int:
        return self._rows() // 2

    def _preview_rows(self) -> int:
        return max(1, self._rows() - self._list_rows())

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        state, session = self.session.state, self.session

        def on(*names: str, eager: bool = False) -> Any:
            def add(function: Any) -> Any:
                for name in names:
                    keys.add(name, eager=eager)(lambda event: function(event))
                return function

            return add

        on("up", "c-p")(lambda event: state.move(-1))
        on("down", "c-n")(lambda event: state.move(1))
        on("pageup")(lambda event: state.move(-max(1, self._list_rows() - 1)))
        on("pagedown")(lambda event: state.move(max(1, self._list_rows() - 1)))
        on("c-f")(lambda event: session.next_files())
        on("c-t")(lambda event: session.next_mode())
        on("c-c", "c-d", "c-g", "<sigint>")(lambda event: event.app.exit())
        on("escape", eager=True)(lambda event: event.app.exit())
        on("enter")(self._open)
        return keys

    def _open(self, event: KeyPressEvent) -> None:
        """Open the selected hit in the editor, and come back to the screen after it."""
        state = self.session.state
        hit, answer = state.hit, state.answer
        if hit is None or answer is None:
            return
        if hit.commit is not None:
            state.message = f"a commit is in no file; git show {hit.commit.id[:10]} shows it"
            return
        line = best_line(hit, finder(answer.matched))
        try:
            words = editor.command(os.environ, path_of(hit, self._prefixes), line)
        except SpelunkError as error:
            state.message = str(error)
            return

        def call() -> None:
            try:
                status = subprocess.call(words, stderr=sys.__stdout__)
                state.message = f"{words[0]} ended with status {status}" if status else ""
            except OSError as error:
                state.message = f"{words[0]}: {error.strerror}; set VISUAL or EDITOR"

        run_in_terminal(call)
