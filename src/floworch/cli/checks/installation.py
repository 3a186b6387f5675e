"""Versions, packages, the clock and the environment."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import floworch
from floworch.cli.checks.finding import Finding, fine, problem, warning
from floworch.cli.parameters import TARGET_VARIABLE
from floworch.core.engine.settings import EngineSettings
from floworch.core.model.spelling import nearest
from floworch.errors import ConfigurationError

__all__ = ["check_clock", "check_environment", "check_packages", "check_versions"]

_REQUIRED = ("pydantic", "croniter", "sqlalchemy", "structlog", "typer", "rich", "pyyaml")
_OPTIONAL = {
    "psycopg": "storage on PostgreSQL",
    "pyodbc": "storage on SQL Server",
    "apscheduler": "the APScheduler runtime",
}
_PREFIX = "FLOWORCH_"
_OLDEST_PYTHON = (3, 11)
_OLDEST_SQLITE = (3, 33)
_RELEASED = datetime(2025, 1, 1, tzinfo=UTC)


def check_versions() -> Iterator[Finding]:
    """floworch, Python and SQLite."""
    yield fine("floworch", f"{floworch.__version__}, from {floworch.__path__[0]}")
    python = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform(terse=True)}"
    if sys.version_info < _OLDEST_PYTHON:
        yield problem("python", python, "Use Python 3.11 or newer.")
    else:
        yield fine("python", python)
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        advice = "For storage on SQLite use a Python that was built with SQLite 3.33 or newer."
        yield problem("sqlite", sqlite3.sqlite_version, advice)
    else:
        yield fine("sqlite", sqlite3.sqlite_version)


def check_packages() -> Iterator[Finding]:
    """Packages that floworch needs, and those that some of its parts would use."""
    missing = [name for name in _REQUIRED if _version(name) is None]
    found = ", ".join(f"{name} {_version(name)}" for name in _REQUIRED if name not in missing)
    yield fine("packages", found)
    if missing:
        names = " ".join(missing)
        yield problem("packages", f"missing: {names}", f"Install them: pip install {names}")
    for name, purpose in _OPTIONAL.items():
        installed = _version(name)
        yield fine(name, f"{installed or 'not installed'}; optional, for {purpose}")


def check_clock(now: datetime) -> Iterator[Finding]:
    """The time of this machine, and whether time zones are known to cron triggers."""
    zone = now.astimezone().strftime("%Z, UTC%z")
    if now < _RELEASED:
        yield problem(
            "clock", f"{now:%Y-%m-%d %H:%M:%S} UTC is in the past", "Set the clock, or start a time service (NTP)."
        )
    else:
        yield fine("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC; this machine shows {zone}")
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        yield problem("time zones", "Python finds no time zone data", "Install it: pip install tzdata")


def check_environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that start with ``FLOWORCH_``: misspelt ones have no effect, and nobody would tell."""
    known = {f"{_PREFIX}{field.name.upper()}" for field in fields(EngineSettings)} | {
        TARGET_VARIABLE,
        "FLOWORCH_REQUIRE",
    }
    given = sorted(name for name in environment if name.startswith(_PREFIX))
    for name in given:
        if name not in known:
            close = nearest(name.removeprefix(_PREFIX), [each.removeprefix(_PREFIX) for each in known])
            advice = f"Did you mean {_PREFIX}{close}?" if close else f"Known are {', '.join(sorted(known))}."
            yield warning("environment", f"{name} means nothing to floworch", advice)
    try:
        EngineSettings.from_fields({}, environment)
    except ConfigurationError as error:
        yield problem("environment", str(error), "Correct the variable or unset it.")
    if known.intersection(given):
        yield fine("environment", ", ".join(f"{name}={environment[name]}" for name in given if name in known))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
