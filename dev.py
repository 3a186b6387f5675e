#!/usr/bin/env python3
"""The project's task runner. `python3 dev.py` lists the commands.

Needs nothing but Python: it makes `.venv`, installs what a command needs there (with uv when it is on PATH, else
with pip, from whatever index those are configured for) and remembers it, so that the next start is immediate.
"""

import sys

# First, and in words that Python 3.6 can parse: nothing else has checked the version yet.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"floworch needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")

import hashlib
import importlib.util
import os
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
ENVIRONMENT = {"NO_MKDOCS_2_WARNING": "1", "PYTHONUTF8": "1", "VIRTUAL_ENV": str(VENV)}
PACKAGE_ONLY = "package"
"""Stands for the package and its own dependencies where the name of a dependency group is expected."""
NO_VENV = """\
This Python ({python}) cannot make virtual environments: its `ensurepip` module is missing.
  Debian, Ubuntu:  apt-get install python3-venv
  anywhere:        install uv (https://docs.astral.sh/uv/), which needs no ensurepip
Then run the same command again."""


class Failure(Exception):
    """A command cannot go on; the message says what to do."""


class Command(NamedTuple):
    summary: str
    group: str
    """Dependency group of pyproject.toml that the command needs."""
    action: Callable[[list[str]], int]


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        return list_commands()
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"dev.py: there is no command {name!r}.\n", file=sys.stderr)
        list_commands()
        return 2
    command = COMMANDS[name]
    try:
        ensure_installed(command.group)
        return command.action(rest)
    except Failure as failure:
        print(f"\ndev.py {name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def list_commands() -> int:
    print("usage: python3 dev.py COMMAND [arguments for the command]\n")
    for name, command in COMMANDS.items():
        print(f"  {name:<7} {command.summary}")
    return 0


# -- commands


def setup(_arguments: list[str]) -> int:
    print(f"Ready: {PYTHON.relative_to(ROOT)}")
    return 0


def run(arguments: list[str]) -> int:
    # Both forms are the same until plain `run` also serves the dashboard.
    return python("-m", "examples.weather_report.main", *(word for word in arguments if word != "--once"))


def test(arguments: list[str]) -> int:
    return python("-m", "pytest", "-n", "auto", "-ra", "-m", "not soak and not browser", *arguments)


def chaos(arguments: list[str]) -> int:
    return python("-m", "pytest", "-ra", "-m", "chaos", *arguments)


def explore(arguments: list[str]) -> int:
    os.environ.setdefault("HYPOTHESIS_PROFILE", "thorough")
    searches = ["tests/unit/core/machine/test_histories.py", "tests/contracts/storage/test_tags.py"]
    return python("-m", "pytest", "-n", "auto", "-ra", *(arguments or searches))


def lint(arguments: list[str]) -> int:
    fix = arguments == ["--fix"]
    if arguments and not fix:
        raise Failure(f"it takes no argument but --fix, not {' '.join(arguments)}")
    checks = [
        ["ruff", "check", *(["--fix"] if fix else [])],
        ["ruff", "format", *([] if fix else ["--check"])],
        ["mypy"],
        ["pyright"],
        ["lint-imports"],
    ]
    failed = [" ".join(check) for check in checks if not is_clean(check)]
    if failed:
        raise Failure(f"not clean: {', '.join(failed)}")
    return 0


def is_clean(check: list[str]) -> bool:
    show(" ".join(check))
    tool, *arguments = check
    return call(str(PYTHON.with_name(tool + PYTHON.suffix)), *arguments) == 0


def bench(arguments: list[str]) -> int:
    return python("-m", "benchmarks", *arguments)


def docs(arguments: list[str]) -> int:
    if arguments[:1] == ["--serve"]:
        return python("-m", "mkdocs", "serve", *arguments[1:])
    return python("-m", "mkdocs", "build", "--strict", *arguments)


COMMANDS = {
    "setup": Command(
        "make .venv with all that a developer needs (the other commands install what they need)", "dev", setup
    ),
    "run": Command("run the weather example on a SQLite file; --once: show the outcome and exit", PACKAGE_ONLY, run),
    "test": Command("run the tests; arguments go to pytest (-k NAME, a path, -n 0, ...)", "test", test),
    "lint": Command("ruff, mypy, pyright and the import contracts; --fix lets ruff repair what it can", "lint", lint),
    "bench": Command("measure, and print the figures beside floors and peers; --quick takes a minute", "bench", bench),
    "docs": Command("build the documentation, warnings are errors; --serve shows it while you write", "docs", docs),
    "chaos": Command("only the tests that kill real processes", "test", chaos),
    "explore": Command("search for hours for a history that breaks a law, another one each time", "test", explore),
}


# -- the environment


def ensure_installed(group: str) -> None:
    """Make `.venv` and install the package and a dependency group, unless that was done for this pyproject.toml."""
    wanted = fingerprint()
    if PYTHON.exists() and read_stamp(group) == wanted:
        return
    started = time.monotonic()
    show(f"installing into .venv: floworch and what `{group}` needs (minutes the first time)")
    if not PYTHON.exists():
        make_venv()
    install(requirements(group))
    for each in (PACKAGE_ONLY, *included_groups(group)):
        stamp(each).write_text(wanted, encoding="utf-8")
    show(f"installed in {time.monotonic() - started:.0f} s")


def fingerprint() -> str:
    # The path is part of it because an environment does not survive being moved.
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()


def stamp(group: str) -> Path:
    return VENV / f"installed-{group}.stamp"


def read_stamp(group: str) -> str | None:
    return stamp(group).read_text(encoding="utf-8") if stamp(group).is_file() else None


def make_venv() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)
    uv = shutil.which("uv")
    if uv is not None and call(uv, "venv", "--quiet", "--python", sys.executable, str(VENV)) == 0:
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise Failure(NO_VENV.format(python=sys.executable))
    if call(sys.executable, "-m", "venv", str(VENV)) != 0:
        raise Failure(f"`{sys.executable} -m venv` failed, see above")


def install(wanted: list[str]) -> None:
    uv = shutil.which("uv")
    if uv is not None:
        if call(uv, "pip", "install", "--quiet", "--python", str(PYTHON), *wanted) == 0:
            return
        show("uv could not install it (see above); trying pip, which may know another index")
    if call(str(PYTHON), "-c", "import pip") != 0 and python("-m", "ensurepip") != 0:
        raise Failure(NO_VENV.format(python=sys.executable))
    if python("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted) != 0:
        raise Failure("the installation failed, see above. Is a package index reachable (`pip config list`)?")


def requirements(group: str) -> list[str]:
    # Spelt out because the pip that comes with Python 3.11 does not know --group yet.
    wanted = [entry for name in included_groups(group) for entry in dependency_groups()[name] if isinstance(entry, str)]
    return ["--editable", ".", *dict.fromkeys(wanted)]


def included_groups(group: str) -> Iterator[str]:
    """The group and every group that it includes."""
    if group == PACKAGE_ONLY:
        return
    yield group
    for entry in dependency_groups()[group]:
        if isinstance(entry, dict):
            yield from included_groups(entry["include-group"])


def dependency_groups() -> dict[str, list[str | dict[str, str]]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups: dict[str, list[str | dict[str, str]]] = project["dependency-groups"]
    return groups


# -- processes


def python(*arguments: str) -> int:
    return call(str(PYTHON), *arguments)


def call(*command: str) -> int:
    sys.stdout.flush()
    return subprocess.call(command, cwd=ROOT, env=os.environ | ENVIRONMENT)


def show(text: str) -> None:
    print(f"--- {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
