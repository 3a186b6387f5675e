"""What ``HttpRequest`` is made of. Loaded with the first request: only then is httpx needed."""

from __future__ import annotations

__all__: list[str] = []
