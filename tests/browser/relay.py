"""A relay between browser and headend that tests can cut in several ways."""

import socket
import threading
from contextlib import suppress
from types import TracebackType

PIECE = 65536


class Relay:
    """Forwards connections to a port of loopback, from one of its own, in threads.

    Its threads end with its sockets; ``with`` closes them all.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._ended = False
        self.silent = False
        """Connections stay, but no bytes pass."""
        self.refusing = False
        """New connections are closed at once."""
        self.lose_answers = False
        """The headend's answers are dropped, with their connections."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Closes every connection, and refuses new ones."""
        self.refusing = True
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.refusing = self.silent = False

    def __enter__(self) -> "Relay":
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, run: object, *arguments: socket.socket) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._sockets |= {near, far}
            self._spawn(self._forward, near, far)
            self._spawn(self._back, far, near)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        self._carry(near, far, answers=False)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        self._carry(far, near, answers=True)

    def _carry(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                if self.silent:
                    continue
                if answers and self.lose_answers:
                    break
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if answers:
            with self._lock:
                self._sockets -= {source, sink}
            source.close()
            sink.close()
