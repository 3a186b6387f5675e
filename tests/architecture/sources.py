"""The package's source files as the architecture tests read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "SOURCE", "SourceFile", "source_files"]

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "floworch"


@dataclass(frozen=True)
class SourceFile:
    """One module of the package."""

    path: Path
    module: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    def place(self, node: ast.stmt | ast.expr) -> str:
        """``src/floworch/errors.py:12``, as editors and terminals open it."""
        return f"{self.path.relative_to(ROOT).as_posix()}:{node.lineno}"


@cache
def source_files() -> tuple[SourceFile, ...]:
    """Every module of the package, by path."""
    files = tuple(_read_all())
    assert files, f"no source file found under {SOURCE}"
    return files


def _read_all() -> Iterator[SourceFile]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield SourceFile(path, module, path.read_text(encoding="utf-8"))
