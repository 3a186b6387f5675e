"""The list of commands, and what it costs to show it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

import floworch
from floworch.cli.app import COMMANDS
from tests.cli.commands import call

PROBE = """
import json, sys, time
started = time.process_time()
from typer.testing import CliRunner
from floworch.cli.app import app
outcome = CliRunner().invoke(app, ["--help"])
seconds = time.process_time() - started
print(json.dumps({"code": outcome.exit_code, "seconds": seconds, "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_lists_every_command_with_its_summary(option: str) -> None:
    words = " ".join(call(option).out.split())

    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in words


@pytest.mark.parametrize("command", COMMANDS)
def test_the_summary_in_the_list_is_the_first_line_of_the_commands_own_help(command: str) -> None:
    answer = call(command, "--help")

    assert answer.code == 0
    assert COMMANDS[command] in " ".join(answer.out.split())


def test_no_arguments_are_wrong_usage_and_show_the_help() -> None:
    answer = call()

    assert answer.code == 2
    assert COMMANDS["check"] in " ".join((answer.out + answer.err).split())


def test_the_version_is_that_of_the_package() -> None:
    assert call("--version").out == f"floworch {floworch.__version__}\n"


def test_a_misspelt_command_is_wrong_usage() -> None:
    answer = call("chekc")

    assert answer.code == 2
    assert "chekc" in answer.err


def test_the_help_loads_no_command(record_figure: Callable[[str], None]) -> None:
    outcome = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    measured = json.loads(outcome.stdout)

    record_figure(f"floworch --help: {measured['seconds'] * 1000:.0f} ms of processor time (target 600, when idle)")
    assert measured["code"] == 0
    assert [name for name in measured["modules"] if name.startswith("floworch.cli.commands")] == []
    assert not {"sqlalchemy", "croniter", "yaml"} & {name.split(".")[0] for name in measured["modules"]}
