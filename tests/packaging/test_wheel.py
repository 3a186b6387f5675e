"""What users install is the wheel, so the wheel is what is tried here: in an environment without the repository."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path, PurePosixPath
from sysconfig import get_path
from textwrap import dedent
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
DISTRIBUTION_OF = {"pydantic_core": "pydantic", "yaml": "pyyaml"}
"""Packages that come with a distribution of another name. pydantic pins its pydantic-core to the exact version."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a new environment that holds the wheel alone."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run(*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel), cwd=folder)
    return python


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    expected = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "floworch").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert packed == expected
    assert "floworch/py.typed" in packed


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mssql"])
def test_the_wheel_carries_the_migrations_of_every_database(wheel: Path, dialect: str) -> None:
    folder = f"floworch/storage/sql/migrations/{dialect}/"

    assert [name for name in ZipFile(wheel).namelist() if name.startswith(folder) and name.endswith(".sql")]


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    assert [name for name in ZipFile(wheel).namelist() if name.endswith("/LICENSE")]


def test_every_package_that_the_code_imports_is_a_declared_dependency(wheel: Path) -> None:
    declared = set(_required_distributions(wheel))

    imported = {DISTRIBUTION_OF.get(name, name) for path in SOURCE.rglob("*.py") for name in _imported_packages(path)}

    assert imported - declared - sys.stdlib_module_names - {"floworch"} == set()


def test_the_installed_package_is_imported_from_its_own_environment(installed_python: Path, tmp_path: Path) -> None:
    program = "import floworch, sys; print(floworch.__file__)"

    location = Path(_run(str(installed_python), "-c", program, cwd=tmp_path).strip())

    assert location.is_relative_to(installed_python.parent.parent)


def test_the_installed_package_makes_the_schema_of_a_new_sqlite_file(installed_python: Path, tmp_path: Path) -> None:
    program = """
        import asyncio
        from floworch.storage.sql import SqlStorage

        async def main():
            storage = SqlStorage.sqlite("new.db")
            await storage.open()
            print(await storage.list_flows())
            await storage.close()

        asyncio.run(main())
    """

    assert _run(str(installed_python), "-c", dedent(program), cwd=tmp_path).strip() == "[]"
    assert (tmp_path / "new.db").stat().st_size > 0


def test_the_installed_command_line_starts(installed_python: Path, tmp_path: Path) -> None:
    command = installed_python.with_name("floworch" + installed_python.suffix)

    assert "migrate" in _run(str(command), "--help", cwd=tmp_path)


def _required_distributions(wheel: Path) -> Iterator[str]:
    archive = ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if PurePosixPath(name).match("*.dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    for requirement in metadata.get_all("Requires-Dist", []):
        yield re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0].lower()


def _imported_packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def _run(*command: str, cwd: Path) -> str:
    # The dependencies come from the environment that runs the tests. Its floworch does not: an editable
    # installation is a .pth file, and Python reads none from PYTHONPATH.
    environment = os.environ | {"PYTHONPATH": get_path("purelib")}
    outcome = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert outcome.returncode == 0, f"{' '.join(command)}\n{outcome.stdout}{outcome.stderr}"
    return outcome.stdout
