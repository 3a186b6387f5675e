"""What SQLite's errors mean and what to do about them. Codes: https://sqlite.org/rescode.html."""

from __future__ import annotations

import sqlite3

from floworch.storage.sql.dialects.base import Trouble

__all__ = ["diagnose"]

_PRIMARY_CODE = 0xFF


def diagnose(error: BaseException, target: str) -> tuple[Trouble, str]:
    """See :meth:`SqlDialect.diagnose <floworch.storage.sql.dialects.base.SqlDialect.diagnose>`."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Trouble.OTHER, f"{target}: {error}"
    code &= _PRIMARY_CODE
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Trouble.RETRY, (
            f"{target} is locked: another process has been writing to it for too long. "
            "Look for a long transaction in another program, or raise busy_timeout_seconds."
        )
    advice = _advice(code)
    if advice is None:
        return Trouble.OTHER, f"{target}: {error}"
    return Trouble.UNAVAILABLE, f"{target} {advice} (SQLite says: {error})"


def _advice(code: int) -> str | None:
    return {
        sqlite3.SQLITE_READONLY: "is read-only. Make the file and its folder writable for this process.",
        sqlite3.SQLITE_PERM: "may not be accessed. Make the file and its folder writable for this process.",
        sqlite3.SQLITE_FULL: "cannot grow: the disk or its quota is full. Free some space; nothing was half written.",
        sqlite3.SQLITE_NOTADB: "is not a SQLite database. Choose another path, or move that file away.",
        sqlite3.SQLITE_CORRUPT: "is damaged. Restore a backup; the command `.recover` of the sqlite3 shell may help.",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened. Check that its folder exists and this process may write there.",
        sqlite3.SQLITE_IOERR: "cannot be read or written: the operating system reports an I/O error. Check the disk.",
        sqlite3.SQLITE_PROTOCOL: "cannot be locked. Is it on a network file system? Use a local disk.",
    }.get(code)
