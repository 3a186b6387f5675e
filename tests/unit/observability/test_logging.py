from __future__ import annotations

import subprocess
import sys

from structlog.testing import capture_logs

from floworch.observability.logging import get_logger


def test_a_logger_carries_the_fields_it_was_made_with() -> None:
    with capture_logs() as written:
        get_logger("floworch.test", run_id="r1").info("step_completed", step="load")

    assert written == [{"event": "step_completed", "log_level": "info", "run_id": "r1", "step": "load"}]


def test_the_module_loads_structlog_only_when_a_logger_is_made() -> None:
    program = (
        "import sys, floworch.observability.logging as logging\n"
        "assert 'structlog' not in sys.modules\n"
        "logging.get_logger('floworch.test')\n"
        "assert 'structlog' in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
