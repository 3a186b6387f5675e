"""``python -m floworch.cli``, where the ``floworch`` script is not on PATH."""

from __future__ import annotations

from floworch.cli.app import main

main()
