"""Many readers of ``/events`` in one process, which counts the frames that they get.

It prints ``{"readers": N}`` once each reader has its first frame of telemetry. Then it obeys lines
on standard input, and ends with that input:

    count     prints a line about the time since the last ``count``: frames and bytes of all
              readers, those of the reader with fewest frames, and the number of readers that
              were disconnected
"""

import argparse
import json
import os
import selectors
import socket
import sys
from dataclasses import dataclass

READ_BYTES = 1 << 20
FRAME = b"event: telemetry\n"
REQUEST = b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


@dataclass
class Reader:
    """One reader's connection."""

    sock: socket.socket
    begun: bool = False
    gone: bool = False
    frames: int = 0
    length: int = 0
    tail: bytes = b""
    """Bytes that may begin a frame."""

    def read(self, buffer: memoryview) -> None:
        """Reads the bytes that have arrived."""
        size = self.sock.recv_into(buffer)
        self.gone = size == 0
        self.length += size
        data = self.tail + bytes(buffer[:size])
        self.frames += data.count(FRAME)
        self.tail = data[1 - len(FRAME) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--readers", type=int, required=True)
    options = parser.parse_args()
    selector = selectors.DefaultSelector()
    readers = []
    for _ in range(options.readers):
        sock = socket.create_connection(("127.0.0.1", options.port), 10)
        sock.sendall(REQUEST)
        sock.setblocking(False)
        reader = Reader(sock)
        readers.append(reader)
        selector.register(sock, selectors.EVENT_READ, reader)
    selector.register(sys.stdin, selectors.EVENT_READ)
    buffer = memoryview(bytearray(READ_BYTES))
    waiting = len(readers)
    while True:
        for key, _events in selector.select():
            reader = key.data
            if reader is None:
                if not os.read(sys.stdin.fileno(), 4096):
                    return
                _tell(readers)
                continue
            reader.read(buffer)
            if reader.gone:
                selector.unregister(reader.sock)
            if not reader.begun and reader.frames:
                reader.begun = True
                waiting -= 1
                if not waiting:
                    print(json.dumps({"readers": len(readers)}), flush=True)


def _tell(readers: list[Reader]) -> None:
    said = {
        "frames": sum(reader.frames for reader in readers),
        "bytes": sum(reader.length for reader in readers),
        "fewest_frames": min(reader.frames for reader in readers),
        "gone": sum(reader.gone for reader in readers),
    }
    for reader in readers:
        reader.frames = reader.length = 0
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
