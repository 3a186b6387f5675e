"""The arrows of ARCHITECTURE.md; the contracts themselves stand in pyproject.toml."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

from tests.architecture.sources import ROOT, SourceFile, source_files

LAZY_ADAPTERS = ("floworch.cli", "floworch.runtimes.", "floworch.storage.", "floworch.testing")
"""What may be imported inside a function: adapters, because they load packages that `import floworch` must not."""

IMPURE_CALLS = frozenset(
    {
        *("now", "utcnow", "today", "monotonic", "perf_counter"),
        *("uuid1", "uuid4", "uuid7", "urandom", "getenv"),
        *("open", "print", "input", "sleep"),
    }
)
PURE_PACKAGES = (
    "floworch.core.dag",
    "floworch.core.explain",
    "floworch.core.expressions",
    "floworch.core.machine",
    "floworch.core.policy",
)
ASYNC_NODES = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def test_every_import_contract_is_kept() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]

    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_module_of_the_package_has_its_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = " ".join(next(contract["layers"] for contract in contracts if contract["type"] == "layers"))

    names = [module.name for module in pkgutil.iter_modules([str(ROOT / "src" / "floworch")])]

    assert [name for name in names if name != "core" and not re.search(rf"floworch\.{name}\b", layers)] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("floworch", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail("import cycle: " + " <- ".join(error.args[1]))


def test_no_first_party_import_hides_in_a_function() -> None:
    hidden = [where for source in source_files() for where in _hidden_imports(source)]

    assert not hidden, "move these to the top of their module:\n" + "\n".join(hidden)


def test_the_pure_core_neither_awaits_nor_calls_the_outside_world() -> None:
    pure = [source for source in source_files() if source.module.startswith(PURE_PACKAGES)]
    impure = [where for source in pure for where in _impure_places(source)]

    assert len(pure) > len(PURE_PACKAGES)
    assert not impure, "pass these in from the shell instead:\n" + "\n".join(impure)


def _hidden_imports(source: SourceFile) -> Iterator[str]:
    functions = (node for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS))
    for statement in {statement for function in functions for statement in ast.walk(function)}:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for module in _imported_modules(statement):
                if module.split(".")[0] == "floworch" and not module.startswith(LAZY_ADAPTERS):
                    yield f"{source.place(statement)}: {module}"


def _imported_modules(statement: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(statement, ast.ImportFrom):
        return [statement.module or ""]
    return [alias.name for alias in statement.names]


def _impure_places(source: SourceFile) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ASYNC_NODES):
            yield f"{source.place(node)}: {type(node).__name__}"
        elif isinstance(node, ast.Call) and _called_name(node) in IMPURE_CALLS:
            yield f"{source.place(node)}: {ast.unparse(node.func)}()"


def _called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
