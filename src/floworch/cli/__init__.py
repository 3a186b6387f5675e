"""The ``floworch`` command. Importing it loads no command; each one is loaded when it is called."""

from __future__ import annotations

from floworch.cli.app import main

__all__ = ["main"]
