"""A network that fails on request: a proxy before a server, which cuts connections off at a chosen point."""

from __future__ import annotations

import contextlib
import enum
import socket
import threading

__all__ = ["Network", "Trouble"]

_CHUNK_BYTES = 65536


class Trouble(enum.Enum):
    """What happens to a connection when a client sends the chosen words."""

    LOST_REQUEST = "the server never gets them"
    LOST_ANSWER = "the server gets them, and the client never learns what it made of them"
    OUTAGE = "the server never gets them, nor anything else from anybody, until the network comes up again"


class Network:
    """Listens on ``port`` and forwards to the server on another port of this machine."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._trouble: tuple[bytes, Trouble] | None = None
        self._passes = 0
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: list[threading.Thread] = []
        self._is_down = False
        self.connections = 0
        """How often clients have tried to connect."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._spawn(self._accept)

    def cut_off_at(self, words: bytes, trouble: Trouble, *, after: int = 0) -> None:
        """The next connection on which a client sends these words breaks, after so many times that it did not. Once."""
        self._passes = after
        self._trouble = words, trouble

    @property
    def is_cut(self) -> bool:
        """Whether the trouble that was asked for has happened."""
        return self._trouble is None

    def go_down(self) -> None:
        """Break every connection and make no new ones."""
        self._is_down = True
        self.break_all()

    def come_up(self) -> None:
        self._is_down = False

    def break_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _close(*pair)

    def close(self) -> None:
        _close(self._listening)
        self.go_down()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            if self._is_down:
                client.close()
            else:
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            client.close()
            return
        with self._lock:
            self._pairs.add((client, server))
        self._spawn(self._forward, client, server)
        self._spawn(self._answer, client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK_BYTES):
                trouble = self._trouble_with(data)
                if trouble is Trouble.OUTAGE:
                    self.go_down()
                if trouble in (Trouble.LOST_REQUEST, Trouble.OUTAGE):
                    break
                if trouble is Trouble.LOST_ANSWER:
                    client.shutdown(socket.SHUT_WR)  # before the server can answer
                    server.sendall(data)
                    _drain(server)
                    break
                server.sendall(data)
        self._drop(client, server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK_BYTES):
                client.sendall(data)
        self._drop(client, server)

    def _trouble_with(self, data: bytes) -> Trouble | None:
        with self._lock:
            if self._trouble is None or self._trouble[0] not in data:
                return None
            if self._passes > 0:
                self._passes -= 1
                return None
            trouble, self._trouble = self._trouble[1], None
            return trouble

    def _drop(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._pairs.discard((client, server))
        _close(client, server)

    def _spawn(self, work: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _drain(server: socket.socket) -> None:
    """Wait until the server has answered: it has done what it was asked."""
    server.settimeout(5)
    server.recv(1)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
