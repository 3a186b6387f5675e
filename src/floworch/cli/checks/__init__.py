"""What ``floworch doctor`` looks at. Each check yields findings, and each finding says what to do."""

from __future__ import annotations

__all__: list[str] = []
