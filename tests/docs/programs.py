"""Programs in documentation pages, run as a reader would run them.

A block ``python title="tea.py"`` is written to that file; a second block with the same title is added to its end.
A block ``console`` holds commands and what they print; ``...`` stands for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Command", "blocks_of", "commands_of", "matches", "run", "write"]

ENVIRONMENT = {"PYTHONUTF8": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Readers need not have the plugins that floworch itself is tested with."""

_BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Block:
    """``line`` is where its text begins in the page."""

    language: str
    title: str | None
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    arguments: tuple[str, ...]
    expected: str


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(found["language"], found["title"], found["text"], page.count("\n", 0, found.start("text")) + 1)
        for found in _BLOCK.finditer(page)
    ]


def write(block: Block, folder: Path) -> None:
    """Add the block to its file."""
    assert block.title is not None
    file = folder / block.title
    before = file.read_text(encoding="utf-8").rstrip("\n") + "\n\n\n" if file.exists() else ""
    file.write_text(before + block.text, encoding="utf-8")


def commands_of(block: Block) -> Iterator[Command]:
    """The commands after ``$``, each with the text that follows it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        yield Command(tuple(shlex.split(line, comments=True)), expected)


def run(command: Command, folder: Path) -> str:
    """What the command prints; what it writes to stderr, such as logs, is only shown when a test fails."""
    program, *arguments = command.arguments
    assert program == "python", f"only 'python ...' can be run, not {program!r}"
    outcome = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return outcome.stdout


def matches(printed: str, expected: str) -> bool:
    """Whether the text is as expected, but for white space at the ends of lines."""
    pattern = ".*?".join(re.escape(part) for part in _tidy(expected).split("..."))
    return re.fullmatch(pattern, _tidy(printed), re.DOTALL) is not None


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
