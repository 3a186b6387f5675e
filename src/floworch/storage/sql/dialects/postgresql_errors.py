"""What PostgreSQL's errors mean and what to do about them.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. What goes wrong before the server has let a
client in comes without a code; then the words tell, and where the server speaks another language the general advice
has to do.
"""

from __future__ import annotations

from typing import TypeAlias

from floworch.storage.sql.dialects.base import Trouble

__all__ = ["diagnose"]

_Table: TypeAlias = tuple[tuple[str, str], ...]
"""What PostgreSQL's message holds, and what to say then."""

_RETRY = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_LOCK_TIMEOUT = "55P03"
_UNAVAILABLE_CLASSES = ("08", "28", "53", "57P", "58")
_STATEMENT_TIMEOUT = "57014"
_TIMEOUTS = frozenset({_LOCK_TIMEOUT, _STATEMENT_TIMEOUT})
_READ_ONLY = "25006"
_IDLE_IN_TRANSACTION = "25P03"
_NO_RIGHT = "42501"
_NO_DATABASE = "3D000"
_PREPARED = frozenset({"26000", "42P05"})  # prepared statement does not exist; exists already

_ADVICE_BY_WORDS: _Table = (
    ("password authentication failed", "does not accept the user or password. Check both in the URL"),
    ("no password supplied", "asks for a password, and the URL has none"),
    ("no pg_hba.conf entry", "does not admit this user, database or host. Ask its administrator to, in pg_hba.conf"),
    ("does not support SSL", "offers no encryption, but sslmode asks for it"),
    ("certificate verify failed", "has a certificate that cannot be verified. Set sslrootcert in the URL"),
    ("too many clients", "has no connection left. Lower pool_size, or raise its max_connections"),
    ("remaining connection slots", "has no connection left. Lower pool_size, or raise its max_connections"),
    ("starting up", "is starting up"),
    ("shutting down", "is shutting down"),
    ("unsupported startup parameter", "is behind a pooler that refuses settings. Say pgbouncer=True"),
    ("resolve host", "has a host name that cannot be resolved. Check the host in the URL"),
    ("translate host name", "has a host name that cannot be resolved. Check the host in the URL"),
    ("Connection refused", "does not answer. Is the server running, and are host and port right?"),
    ("No such file or directory", "does not answer. Is the server running, and is the folder of its socket right?"),
    ("timeout expired", "does not answer in time. Is the server running, and does a firewall let this host through?"),
    ("session is read-only", "is a standby, which cannot be written to. Name the primary's host in the URL, too"),
    ("session is not read-only", "does not fit target_session_attrs: floworch has to write"),
    ('" does not exist', "does not know that database or user. Create it, or correct the URL"),
)
_MIXED_UP = "is behind a pooler that mixes up prepared statements. Say pgbouncer=True"
_ADVICE_BY_CODE = {
    _LOCK_TIMEOUT: "has held a lock for too long. Look for long transactions of others on floworch's tables",
    _STATEMENT_TIMEOUT: "took too long to answer. Look for locks or load, or raise statement_timeout_seconds",
    _READ_ONLY: "is read-only: a standby? Connect to the primary; for several hosts add target_session_attrs=primary",
    _IDLE_IN_TRANSACTION: "ended a transaction in which nothing was done for too long",
    _NO_DATABASE: "does not exist. Create it (CREATE DATABASE ...), or correct the URL",
}

_ADVICE_BY_OBJECT: _Table = (
    ("for database", "does not let this user create a schema. Let a DBA run CREATE SCHEMA ... AUTHORIZATION this user"),
    ("for schema", "does not let this user into the schema. It takes GRANT USAGE ON SCHEMA, and CREATE to migrate"),
    ("", "refuses this user a right. floworch needs SELECT, INSERT, UPDATE and DELETE on all tables of its schema"),
)


def diagnose(error: BaseException, target: str) -> tuple[Trouble, str]:
    """See :meth:`SqlDialect.diagnose <floworch.storage.sql.dialects.base.SqlDialect.diagnose>`."""
    code = getattr(error, "sqlstate", None)
    said = " ".join(str(error).split())
    if code in _RETRY:
        return Trouble.RETRY, f"{target}: transactions keep getting in each other's way (PostgreSQL says: {said})"
    if code in _PREPARED:
        return Trouble.UNAVAILABLE, f"{target} {_MIXED_UP} (PostgreSQL says: {said})"
    advice = _advice(code, said)
    if code in _TIMEOUTS:
        return Trouble.TIMEOUT, f"{target} {advice} (PostgreSQL says: {said})"
    if advice is None and not _is_about_connection(error, code):
        return Trouble.OTHER, f"{target}: {said}"
    return Trouble.UNAVAILABLE, f"{target} {advice or 'cannot be used'} (PostgreSQL says: {said})"


def _advice(code: str | None, said: str) -> str | None:
    if code is None:
        return _first(_ADVICE_BY_WORDS, said)
    return _first(_ADVICE_BY_OBJECT, said) if code == _NO_RIGHT else _ADVICE_BY_CODE.get(code)


def _is_about_connection(error: BaseException, code: str | None) -> bool:
    if code is not None:
        return code.startswith(_UNAVAILABLE_CLASSES)
    # By name: the driver need not be there. Its other errors without a code are about values that it cannot send.
    return bool({"OperationalError", "InterfaceError"} & {kind.__name__ for kind in type(error).__mro__})


def _first(table: _Table, said: str) -> str | None:
    return next((advice for words, advice in table if words in said), None)
