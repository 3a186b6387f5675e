"""`__all__` is the promise of each module: complete and true. Ruff keeps it sorted."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

import pytest

from tests.architecture.sources import SourceFile, source_files

WITH_NAMES = [
    source
    for source in source_files()
    if any(not isinstance(node, ast.Expr) for node in source.tree.body) and not source.module.endswith(".__main__")
]
"""Modules that hold more than a docstring; importing a `__main__` would run it."""


def _by_module(source: SourceFile) -> str:
    return source.module


@pytest.mark.parametrize("source", WITH_NAMES, ids=_by_module)
def test_every_name_that_a_module_exports_exists_and_is_listed_once(source: SourceFile) -> None:
    module = importlib.import_module(source.module)

    names = getattr(module, "__all__", None)

    assert names is not None, f"{source.module} has no __all__"
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("source", WITH_NAMES, ids=_by_module)
def test_a_public_class_or_function_is_exported_or_starts_with_an_underscore(source: SourceFile) -> None:
    exported = getattr(importlib.import_module(source.module), "__all__", [])

    assert [name for name in _defined_names(source) if not name.startswith("_") and name not in exported] == []


def _defined_names(source: SourceFile) -> Iterator[str]:
    for node in source.tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
