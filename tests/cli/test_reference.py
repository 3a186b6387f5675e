"""``docs/reference/cli.md`` says what the commands say themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from floworch.cli.app import COMMANDS
from floworch.cli.exits import ExitCode
from tests.cli.commands import call
from tests.cli.reference import MARK, reference, words_of_help

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"


def test_the_page_describes_the_commands_as_they_are(update_golden: bool) -> None:
    written, _, made = PAGE.read_text(encoding="utf-8").partition(MARK)
    if update_golden:
        PAGE.write_text(written + MARK + reference(), encoding="utf-8")
        return

    assert made == reference()


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_page_says_is_what_the_help_prints(command: str) -> None:
    printed = "".join(call(command, "--help").out.split())  # without spaces: the help breaks its lines anywhere

    assert [words for words in words_of_help(command) if "".join(words.split()) not in printed] == []


def test_the_page_explains_every_exit_code() -> None:
    written, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)

    assert [code for code in ExitCode if f"| {int(code)} |" not in written] == []
