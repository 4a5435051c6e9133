"""Counts the cost of an HTTP/2 client's frames before h2 parses them. Pure.

h2 takes 20 to 40 µs for a frame, however short, and parses all its input at once. The meter reads
the nine bytes at the beginning of each frame, and cuts the input into turns of bounded cost. It
also counts frames that make work and move nothing.
"""

from collections.abc import Iterator

from derproto.triogrpc.core.budget import Budget

PREFACE_BYTES = 24
"""A client's first bytes, before its first frame."""

HEAD_BYTES = 9

FRAME_BYTES = 16 * 1024
"""Bytes of one frame, HTTP/2's default. When full, the connection ends before the frame is
gathered."""

BLOCK_BYTES = 32 * 1024
"""Bytes of one request's compressed header, in all its frames. When full, the connection ends."""

BLOCK_PIECES = 32
"""CONTINUATION frames of one request's compressed header, however short. When full, the connection
ends."""

TURN_COST = 20
"""Cost of the frames to parse before other tasks get their turn, in cheap frames: some 0.8 ms."""

HEADERS_COST = 10
"""Cost of a HEADERS frame, in cheap frames: it may hold a header of 16 KiB."""

WINDOW_S = 30.0

SMALL_BYTES = 256
"""A DATA frame of fewer bytes is small, unless it is the last of its body."""

FREE_A_REQUEST = 8
"""Small DATA and WINDOW_UPDATE frames that each request entitles its client to."""

BYTES_AN_UPDATE = 512
"""Bytes of answers that entitle the client to one WINDOW_UPDATE more. Usual clients send two, for
stream and connection, for every 1 KiB at most."""

SETTING_BYTES = 60
"""Bytes of SETTINGS that cost as much as a cheap frame: ten settings."""

MOST_FREE = 4_096
"""Entitlements that a client may save up. When full, it earns no more."""

DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 8, 9
NAMES = {2: "PRIORITY", SETTINGS: "SETTINGS", 5: "PUSH_PROMISE", 6: "PING", 7: "GOAWAY"}
END_STREAM, END_HEADERS = 1, 4


class Http2Flood(Exception):
    """A client made more work than one connection may make."""


class FrameMeter:
    """Cuts a connection's bytes into turns, and counts its frames."""

    def __init__(self, *, control_frames: int, resets: int) -> None:
        self._control = Budget(control_frames, WINDOW_S)
        self._resets = Budget(resets, WINDOW_S)
        self._free = 0
        self._unpaid = 0
        self._skip = PREFACE_BYTES
        self._head = b""
        self._block = self._pieces = 0
        self._in_block = self._ends_block = False

    @property
    def is_in_header(self) -> bool:
        """Whether a request's header has begun, and has not ended yet."""
        return self._in_block

    def turns(self, data: bytes, now: float) -> Iterator[bytes]:
        """Cuts the bytes into pieces of bounded cost.

        Raises: Http2Flood, at a frame beyond a budget; the pieces before it have been given.
        """
        begun = at = cost = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                self._in_block &= not self._ends_block or bool(self._skip)
                continue
            if cost >= TURN_COST:
                yield data[begun:at]
                begun, cost = at, 0
            head = data[at : at + HEAD_BYTES - len(self._head)]
            self._head += head
            at += len(head)
            if len(self._head) == HEAD_BYTES:
                cost += self._count(self._head, now)
                self._head = b""
        if begun < at:
            yield data[begun:at]

    def sent(self, count: int) -> None:
        """Counts ``count`` sent bytes of answers, which entitle the client to window updates."""
        earned, self._unpaid = divmod(self._unpaid + count, BYTES_AN_UPDATE)
        self._free = min(self._free + earned, MOST_FREE)

    def _count(self, head: bytes, now: float) -> int:
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        if size > FRAME_BYTES:
            raise Http2Flood(f"a frame of {size} bytes, longer than {FRAME_BYTES}")
        self._skip = size
        if kind in (HEADERS, CONTINUATION):
            self._count_header(size, kind, flags)
            return HEADERS_COST
        if kind == DATA:
            if size < SMALL_BYTES and not flags & END_STREAM:
                self._spend_free("small DATA", now)
        elif kind == WINDOW_UPDATE:
            self._spend_free("WINDOW_UPDATE", now)
        elif kind == RST_STREAM:
            if not self._resets.spend(now):
                raise Http2Flood("too many RST_STREAM frames")
        else:
            self._spend(NAMES.get(kind, "unknown"), now)
        return 1 + (size // SETTING_BYTES if kind == SETTINGS else 0)

    def _count_header(self, size: int, kind: int, flags: int) -> None:
        if kind == HEADERS:
            self._block = self._pieces = 0
            self._free = min(self._free + FREE_A_REQUEST, MOST_FREE)
        else:
            self._pieces += 1
        self._block += size
        if self._block > BLOCK_BYTES:
            raise Http2Flood(f"a header of {self._block} bytes, longer than {BLOCK_BYTES}")
        if self._pieces > BLOCK_PIECES:
            raise Http2Flood(f"a header of {self._pieces} pieces, more than {BLOCK_PIECES}")
        self._ends_block = bool(flags & END_HEADERS)
        self._in_block = bool(size) or not self._ends_block

    def _spend_free(self, name: str, now: float) -> None:
        if self._free:
            self._free -= 1
        else:
            self._spend(name, now)

    def _spend(self, name: str, now: float) -> None:
        if not self._control.spend(now):
            raise Http2Flood(f"too many {name} frames")
