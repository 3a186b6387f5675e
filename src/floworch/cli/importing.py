"""Importing the modules of an application, with errors that its author understands."""

from __future__ import annotations

import os
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from floworch.cli.errors import TargetError
from floworch.core.model.spelling import did_you_mean, nearest
from floworch.errors import FloworchError

__all__ = ["explained", "import_application_file", "import_application_module"]

_SHOWN_FRAMES = 3
_PACKAGE_FOLDER = str(Path(__file__).resolve().parents[1])
_LIBRARY_FOLDERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def import_application_module(name: str) -> ModuleType:
    """The module, found from the current folder first. Raises TargetError, and what floworch raises inside it."""
    _put_first_on_path(Path.cwd())
    with explained(f"the module {name!r} cannot be imported"):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there; something that it imports is not
            raise TargetError(_no_module(name, error.name)) from None


def import_application_file(path: Path) -> ModuleType:
    """The file as a module of its package, or by its own name. Raises as :func:`import_application_module`."""
    file = path.resolve()
    if not file.is_file():
        raise TargetError(f"there is no file {os.fspath(path)!r}{_near_file(path)}")
    names = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    _put_first_on_path(Path.cwd())
    _put_first_on_path(folder)
    name = ".".join(names)
    with explained(f"the file {os.fspath(path)!r} cannot be imported"):
        module = import_module(name)
    _require_file(module, file)
    return module


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the application's own code raises into a TargetError that shows the last lines of that code."""
    try:
        yield
    except (FloworchError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise TargetError(
            f"{what}: it ends the program (sys.exit({error.code!r})). Put what a script does under "
            "'if __name__ == \"__main__\":'."
        ) from error
    except Exception as error:
        raise TargetError(f"{what}: it raises an error.\n{_application_traceback(error)}") from error


def _put_first_on_path(folder: Path) -> None:
    text = str(folder)
    if sys.path[:1] != [text]:
        sys.path.insert(0, text)


def _no_module(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    close = nearest(last, _modules_in(parent))
    hint = f"Did you mean {f'{parent}.{close}' if parent else close!r}?" if close else _where_searched()
    whole = "" if missing == name else f" (of {name!r})"
    return f"there is no module {missing!r}{whole}. {hint}"


def _where_searched() -> str:
    return f"Modules are searched from the current folder, {os.getcwd()}, and then where Python has its packages."


def _modules_in(package: str) -> list[str]:
    """Names beside a missing module; those of the current folder for a module of its own."""
    paths = [os.getcwd()] if not package else list(getattr(sys.modules.get(package), "__path__", []))
    return [found.name for found in pkgutil.iter_modules(paths)]


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no folder {os.fspath(path.parent)!r}"
    return f".{did_you_mean(path.name, [file.name for file in path.parent.glob('*.py')])}"


def _require_file(module: ModuleType, file: Path) -> None:
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != file:
        raise TargetError(
            f"the file {str(file)!r} would be the module {module.__name__!r}, but that name belongs to "
            f"{found or 'Python'}. Rename the file."
        )


def _application_traceback(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    shown = [frame for frame in frames if _is_application(frame.filename)]
    if not shown and not isinstance(error, SyntaxError):  # which tells its place itself
        shown = list(frames)
    lines = traceback.format_list(shown[-_SHOWN_FRAMES:]) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()


def _is_application(filename: str) -> bool:
    return not filename.startswith(("<frozen", _PACKAGE_FOLDER, *_LIBRARY_FOLDERS))
