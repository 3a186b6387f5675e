"""The page about explanations knows every reason."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from floworch.core.explain import ReasonCode
from floworch.core.explain.health import HealthCode, HealthStatus

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "find-out-why.md"


@pytest.mark.parametrize("codes", [ReasonCode, HealthCode, HealthStatus])
def test_every_code_has_a_line_in_a_table(codes: type[StrEnum]) -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    firsts = "".join(row.split("|")[1] for row in rows)

    assert [code for code in codes if f"`{code}`" not in firsts] == []
