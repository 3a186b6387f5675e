"""Virtual environments of peers whose packages would clash with ours, or weigh down an application that needs none of
them. ``python -m benchmarks --install-peers`` makes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["REQUIREMENTS", "install", "interpreter_of", "variable_of", "versions_in"]

REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "celery": ("celery[redis]>=5.5",),
    # The server of Prefect 3.8 gives `Body` an argument that later versions of FastAPI refuse.
    "prefect": ("prefect>=3.4", "fastapi<0.145"),
}
"""What is installed, by name of the environment."""

_FOLDER = Path(__file__).with_name(".environments")
_FIND_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def interpreter_of(environment: str | None) -> Path:
    """The Python of an environment, whether or not it is there; without a name, the one that runs this."""
    if environment is None:
        return Path(sys.executable)
    named = os.environ.get(variable_of(environment))
    in_environment = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    return Path(named) if named else _FOLDER / environment / in_environment


def variable_of(environment: str) -> str:
    """The variable that names another interpreter to use."""
    return f"FLOWORCH_BENCH_{environment.upper()}_PYTHON"


def install(environments: Iterable[str]) -> None:
    """Make the environments; those that are there get what they lack."""
    for name in environments:
        subprocess.run([sys.executable, "-m", "venv", str(_FOLDER / name)], check=True)
        subprocess.run([str(interpreter_of(name)), "-m", "pip", "install", *REQUIREMENTS[name]], check=True)


def versions_in(environment: str | None, distributions: Iterable[str]) -> dict[str, str]:
    """Versions of those that are installed there; of none when the environment is not there."""
    interpreter = interpreter_of(environment)
    if not interpreter.exists():
        return {}
    command = [str(interpreter), "-c", _FIND_VERSIONS, *distributions]
    found: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found
