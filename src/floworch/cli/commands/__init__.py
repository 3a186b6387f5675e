"""One module per command; each has an ``app``, which :mod:`floworch.cli.app` loads when the command is called."""

from __future__ import annotations

__all__: list[str] = []
