"""An API that makes reports, on a port of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["reports_api"]

_CSV = "month,orders\n1,17\n2,23\n"


@contextmanager
def reports_api(token: str) -> Iterator[str]:
    """The address of the API while it runs. It wants the token with every request."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(token)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _handler(token: str) -> type[BaseHTTPRequestHandler]:
    orders: list[object] = []
    checks: list[str] = []

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            orders.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if self._is_allowed():
                if len(orders) == 1:
                    self._answer(503, {"error": "busy"}, {"Retry-After": "1"})
                else:
                    self._answer(202, {"id": "r-1"})

        def do_GET(self) -> None:
            if not self._is_allowed():
                return
            if self.path.startswith("/files/"):
                self._answer(200, _CSV, {"Content-Type": "text/csv"})
                return
            checks.append(self.path)
            is_ready = len(checks) > 1
            self._answer(200, {"state": "ready", "file": "/files/r-1.csv"} if is_ready else {"state": "queued"})

        def _is_allowed(self) -> bool:
            is_allowed = self.headers["Authorization"] == f"Bearer {token}"
            if not is_allowed:
                self._answer(401, {"error": "who are you?"})
            return is_allowed

        def _answer(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            sent = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """The program tells what matters."""

    return Api
