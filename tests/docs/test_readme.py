"""What the README promises can be typed as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_hello_world_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    outcome = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    assert "Succeeded {'text': 'Hello, Ada!'}" in outcome.stdout
    assert (tmp_path / "hello.db").is_file()
