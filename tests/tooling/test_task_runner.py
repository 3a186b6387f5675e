"""`dev.py` as a developer and as `.ci/run` call it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]], ids=str)
def test_without_a_command_it_lists_all_of_them(arguments: list[str]) -> None:
    outcome = _run(*arguments)

    assert outcome.returncode == 0
    assert [line.split()[0] for line in outcome.stdout.splitlines()[2:]] == list(dev.COMMANDS)


def test_an_unknown_command_is_named_and_refused() -> None:
    outcome = _run("tset")

    assert outcome.returncode == 2
    assert "no command 'tset'" in outcome.stderr


def test_lint_refuses_arguments_that_it_would_ignore() -> None:
    with pytest.raises(dev.Failure, match="src/floworch"):
        dev.lint(["src/floworch"])


@pytest.mark.parametrize("name", dev.COMMANDS)
def test_every_command_needs_a_group_that_exists(name: str) -> None:
    group = dev.COMMANDS[name].group

    assert dev.requirements(group)[:2] == ["--editable", "."]
    assert group == dev.PACKAGE_ONLY or len(dev.requirements(group)) > 2


def test_the_group_of_setup_includes_those_of_all_other_commands() -> None:
    needed = {command.group for command in dev.COMMANDS.values()} - {dev.PACKAGE_ONLY}

    assert needed <= set(dev.included_groups(dev.COMMANDS["setup"].group))


def test_ci_and_the_guides_only_use_commands_that_exist() -> None:
    pages = [ROOT / name for name in (".ci/run", "README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")]
    used = {name for page in pages for name in re.findall(r"\bdev\.py ([a-z]+)", page.read_text(encoding="utf-8"))}

    assert {"run", "test", "lint"} <= used
    assert used <= set(dev.COMMANDS)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
