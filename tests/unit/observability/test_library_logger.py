from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import structlog
from floworch.observability.logging import get_library_logger, tells_info
if {configured}:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))
log = get_library_logger("floworch.test")
print(tells_info(log))
log.info("step_completed")
log.warning("step_lost")
"""


def output_of(*, configured: bool) -> tuple[str, str]:
    program = PROGRAM.format(configured=configured)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_a_library_that_nobody_asked_to_talk_tells_of_trouble_only() -> None:
    out, err = output_of(configured=False)
    assert out.split() == ["False"]
    assert "step_lost" in err
    assert "step_completed" not in err


def test_an_application_that_configures_logs_hears_everything() -> None:
    out, _ = output_of(configured=True)
    assert "True" in out
    assert "step_completed" in out
    assert "step_lost" in out
