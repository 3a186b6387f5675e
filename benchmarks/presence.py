"""What contenders need on this machine, and why some cannot run on it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable

from benchmarks.contender import Contender, Store
from benchmarks.environments import interpreter_of, variable_of, versions_in
from benchmarks.server import why_no_postgresql

__all__ = ["plain", "program_versions", "why_absent"]


def why_absent(contender: Contender, given_url: str | None) -> str | None:
    """What is not there, and how to get it; None when the contender can run. ``given_url`` is a PostgreSQL server."""
    return _lacks_packages(contender) or _lacks_programs(contender) or _lacks_database(contender, given_url)


def program_versions(contenders: Iterable[Contender]) -> dict[str, str]:
    """Versions of the servers that contenders bring along."""
    names = dict.fromkeys(name for contender in contenders for name in contender.programs)
    return {name: _version_of(name) for name in names}


def plain(requirement: str) -> str:
    """The distribution without its extras."""
    return requirement.partition("[")[0]


def _lacks_packages(contender: Contender) -> str | None:
    if contender.environment is None:
        missing = contender.missing()
        return f"pip install {' '.join(map(repr, missing))}" if missing else None
    wanted = [plain(each) for each in contender.needs.values()]
    if versions_in(contender.environment, wanted).keys() >= set(wanted):
        return None
    return (
        f"no {' and '.join(wanted)} for {interpreter_of(contender.environment)}: python -m benchmarks --install-peers, "
        f"or name an interpreter in {variable_of(contender.environment)}"
    )


def _lacks_programs(contender: Contender) -> str | None:
    missing = [name for name in contender.programs if shutil.which(name) is None]
    return f"no {' and '.join(missing)} on the PATH" if missing else None


def _lacks_database(contender: Contender, given_url: str | None) -> str | None:
    return why_no_postgresql(given_url) if contender.store is Store.POSTGRESQL else None


def _version_of(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else "?"
