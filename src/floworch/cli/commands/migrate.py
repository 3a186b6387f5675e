"""``floworch migrate``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from floworch.cli.errors import TargetError, ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.json_output import print_json
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.targets import load_target
from floworch.core.ports.storage import SchemaVersions, Storage, StorageSchema

__all__ = ["app", "migrate"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def migrate(
    target: TargetText,
    status: Annotated[
        bool, typer.Option("--status", help="Only tell the versions; exits with 1 when migrations are missing.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL instead, for people who run it themselves.")
    ] = False,
    after: Annotated[
        int, typer.Option("--after", min=0, metavar="VERSION", help="With --sql: from this version on.")
    ] = 0,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> ExitCode:
    """Bring the database to the schema of this version.

    Workers do so themselves when they start, unless auto_migrate is off. Any number of processes may do it at the
    same time.
    """
    storage = load_target(target).orchestrator().storage
    schema = _schema(storage, target)
    if sql:
        sys.stdout.write(schema.script(after))
        return ExitCode.OK
    versions, applied = asyncio.run(_migrate(storage, schema, only_ask=status))
    if as_json:
        location = schema.location
        print_json({"location": location, "present": versions.present, "newest": versions.newest, "applied": applied})
    else:
        stdout_console().print(f"{schema.location}: {_words(versions, applied)}")
    return ExitCode.OK if versions.is_current else ExitCode.FAILED


def _schema(storage: Storage, target: str) -> StorageSchema:
    if storage.schema is None:
        raise TargetError(f"the storage of {target!r} has no schema: there is nothing to migrate")
    return storage.schema


async def _migrate(storage: Storage, schema: StorageSchema, *, only_ask: bool) -> tuple[SchemaVersions, Sequence[int]]:
    """The versions afterwards, and what was applied."""
    try:
        applied = [] if only_ask else await schema.migrate()
        return await schema.versions(), applied
    finally:
        await storage.close()


def _words(versions: SchemaVersions, applied: Sequence[int]) -> str:
    if applied:
        return f"applied {', '.join(map(str, applied))}; the schema is at version {versions.present}"
    if versions.is_current:
        return f"the schema is up to date, at version {versions.present}"
    if versions.present == 0:
        return f"there is no schema yet; the newest version is {versions.newest}"
    return f"the schema is at version {versions.present}, the newest is {versions.newest}"
