"""Reads URLs of PostgreSQL as people have them: SQLAlchemy's, and those of libpq and of hosting services.

The rules of libpq: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from floworch.errors import ConfigurationError

__all__ = ["describe_url", "is_postgresql_url", "read_url"]

_SCHEME = re.compile(r"postgres(?:ql)?(\+\w+)?://")
_HOSTS = re.compile(r"(?P<scheme>[^:]+://)(?P<user>[^/?]*@)?(?P<hosts>[^/?]*,[^/?]*)(?P<rest>.*)", re.DOTALL)
_DRIVER = "postgresql+psycopg"
_PLACES = {"user": "username", "password": "password", "dbname": "database"}
"""libpq allows these in the query, too; there a password would be shown."""
_SHOWN = frozenset({"host", "port"})


def is_postgresql_url(text: str) -> bool:
    """Whether the URL is meant for PostgreSQL, whatever its driver."""
    return _SCHEME.match(text) is not None


def read_url(given: str | URL) -> URL:
    """The URL for SQLAlchemy and psycopg. Several hosts become lists in the query, as libpq wants them.

    Raises:
        ConfigurationError: it cannot be read, or asks for another driver. Never shows the URL.
    """
    url = given if isinstance(given, URL) else _parse(given)
    if url.drivername not in ("postgres", "postgresql", _DRIVER):
        raise ConfigurationError(
            f"The URL of the PostgreSQL storage begins with '{url.drivername}://', but floworch uses psycopg. "
            f"Begin it with 'postgresql://' or '{_DRIVER}://'; the application itself may use any driver."
        )
    moved = {_PLACES[name]: value for name, value in url.query.items() if name in _PLACES}
    return _with_parts(url.difference_update_query(_PLACES), moved).set(drivername=_DRIVER)


def describe_url(url: URL) -> str:
    """Names the database for people. Leaves out the password, and the settings, among which there may be another."""
    shown = {name: value for name, value in url.query.items() if name in _SHOWN}
    return url.set(drivername="postgresql", query=shown).render_as_string(hide_password=True)


def _with_parts(url: URL, parts: dict[str, Any]) -> URL:
    return url.set(**parts) if parts else url


def _parse(text: str) -> URL:
    try:
        return _make(text)
    except (ArgumentError, ValueError):
        # Without the cause: it quotes what it could not read, which may be a piece of a password.
        raise ConfigurationError(
            "The URL of the PostgreSQL storage cannot be read. Write it like "
            "'postgresql://user:password@host:5432/database?sslmode=require', with special characters in the user or "
            "password percent-encoded: urllib.parse.quote(password, safe='')."
        ) from None


def _make(text: str) -> URL:
    several = _HOSTS.match(text)
    if several is None:
        return make_url(text)
    url = make_url(f"{several['scheme']}{several['user'] or ''}{several['rest']}")
    pairs = [_host_and_port(each) for each in several["hosts"].split(",")]
    query = {"host": ",".join(host for host, _ in pairs)}
    if any(port for _, port in pairs):
        query["port"] = ",".join(port for _, port in pairs)
    return url.update_query_dict(query)


def _host_and_port(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), ""
    return host.strip("[]"), str(int(port)) if port else ""
