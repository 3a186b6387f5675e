"""Processes of the chaos application: started, killed, paused, and waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

__all__ = ["Worker", "sleep", "wait_until"]

_PATIENCE_SECONDS = 120.0


def sleep(seconds: float) -> None:
    """Let the other processes go on for so long: what is tested is that nothing happens meanwhile."""
    time.sleep(seconds)


def wait_until(holds: Callable[[], bool], what: str, *, seconds: float = _PATIENCE_SECONDS) -> None:
    """Block until it is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds:g} seconds still not: {what}"
        time.sleep(0.005)


class Worker:
    """One process. What it prints goes to a file: a full pipe would stop it."""

    def __init__(
        self, target: str, effects: str, *arguments: str, module: str = "tests.chaos.app", **environment: str
    ) -> None:
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - open as long as the process
        command = [sys.executable, "-m", module, target, effects, *arguments]
        self._process = subprocess.Popen(
            command, stdout=self._output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        self.is_paused = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def printed(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def has_printed(self, line: str) -> bool:
        return line in self.printed.splitlines()

    def wait_for(self, line: str) -> None:
        """Block until the process has printed the line."""
        wait_until(lambda: self.has_printed(line) or not self.is_running, f"printed {line!r}")
        assert self.has_printed(line), f"the worker ended before it printed {line!r}: {self.printed}"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self.is_paused = True
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.is_paused = False
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """The end of the test: kill it if it is there still."""
        self.kill()
        self._output.close()

    def terminate(self) -> None:
        """Ask it to stop in order."""
        self._process.terminate()

    def finish(self) -> None:
        """Block until the process has ended by itself, and well."""
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the worker does not end: {self.printed}") from None
        code = self._process.returncode
        assert code == 0, f"the worker ended with {code}: {self.printed}"
