"""How far a report is."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

from floworch import polling_handler

__all__ = ["check_report"]


@polling_handler("CheckReport", timeout=10)
def check_report(api: str, report: str, token: str) -> Any:
    """Ask once. Whether that is what the step waits for, and when to ask again, is for the flow to say."""
    request = Request(f"{api}/reports/{report}", headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=5) as answer:
        return json.load(answer)
