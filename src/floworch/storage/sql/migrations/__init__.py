"""The schema's history: numbered SQL files per database, applied by :mod:`~floworch.storage.sql.migrations.runner`.

Why not Alembic: all it would do here is run a list of files once, in order. Its environment, its script folder and its
offline mode for three databases would be more code than the runner, it would be a dependency of everybody who installs
floworch, and a DBA can review a file but not a Python function. The price: whoever changes
:mod:`~floworch.storage.sql.tables` writes the statements by hand. A test compares the files with the tables.

Files are never changed after a release. Expand in one release (add), contract in a later one (drop), so that two
versions of an application can share a database while it is rolled out. Statements end with a semicolon at the end of a
line; ``{schema}`` stands for the name of the schema.
"""

from __future__ import annotations

__all__: list[str] = []
