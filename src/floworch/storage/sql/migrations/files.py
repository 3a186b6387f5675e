"""Reads the packaged migration files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

__all__ = ["Migration", "load_migrations"]

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    text: str

    def statements(self, schema: str | None) -> list[str]:
        """The SQL statements in order, for tables in ``schema``."""
        text = self.text.replace("{schema}", schema or "")
        return [part.strip() for part in re.split(r";[ \t]*(?:\n|$)", text) if part.strip()]


def load_migrations(dialect_name: str) -> list[Migration]:
    """All migrations for a database, oldest first."""
    folder = files("floworch.storage.sql.migrations").joinpath(dialect_name)
    found = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if (match := _NAME.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)
