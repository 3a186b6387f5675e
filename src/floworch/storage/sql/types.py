"""Column types that mean the same on every database.

Ids and keys compare byte by byte, so that UUIDv7 order is time order and ``a`` is not ``A``. Instants are aware UTC
with microseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CHAR, NVARCHAR, TIMESTAMP, BigInteger, Text, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["Document", "Id", "Instant", "Word", "from_micros", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MSSQL_BINARY = "Latin1_General_100_BIN2"


def to_micros(at: datetime) -> int:
    """Microseconds since 1970; the form in which SQLite keeps an instant."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


class Id(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, else text. Not UNIQUEIDENTIFIER, whose order begins with the last six bytes."""

    impl = CHAR(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return Uuid()
        collation = _MSSQL_BINARY if dialect.name == "mssql" else None
        return CHAR(36, collation=collation)

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return value if value is None or isinstance(value, UUID) else UUID(value)


class Instant(TypeDecorator[datetime]):
    """An aware UTC time: the native type, and on SQLite, which has none, whole microseconds."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return TIMESTAMP(timezone=True)
        if dialect.name == "mssql":
            from sqlalchemy.dialects.mssql import DATETIMEOFFSET

            return DATETIMEOFFSET(6)  # type: ignore[no-untyped-call]
        return BigInteger()

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name != "sqlite" else to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return from_micros(value) if isinstance(value, int) else value.astimezone(UTC)


class Word(TypeDecorator[str]):
    """Short text that is compared or indexed. ``length``, in characters, bounds it where an index needs a bound."""

    impl = Text
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return Text(collation="C")
        if dialect.name == "mssql":
            return NVARCHAR(self.length, collation=_MSSQL_BINARY)
        return Text()


class Document(TypeDecorator[str]):
    """JSON text, stored as it came: a JSON type would lose the digits of big numbers on some databases."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return NVARCHAR() if dialect.name == "mssql" else Text()
