from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import structlog


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test has a current folder and a database of its own, and leaves no module or configuration behind."""
    modules = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("ORDERS_DB", str(tmp_path / "orders.db"))
    monkeypatch.delenv("FLOWORCH_TARGET", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # a parallel run of the tests sets it for its own reports
    structlog.reset_defaults()
    yield tmp_path
    structlog.reset_defaults()
    for name in set(sys.modules) - modules:
        if not name.startswith(("floworch", "sqlalchemy", "tests")) and _is_inside(name, tmp_path):
            del sys.modules[name]
    sys.modules.pop("orders_app", None)


@pytest.fixture
def write_module(empty_folder: Path) -> Callable[[str, str], Path]:
    """Writes a module into the current folder."""

    def write(name: str, text: str) -> Path:
        path = empty_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


def _is_inside(module: str, folder: Path) -> bool:
    file = getattr(sys.modules[module], "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)
