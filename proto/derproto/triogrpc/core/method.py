"""What both ends must agree on about one rpc."""

from dataclasses import dataclass
from typing import Any

from grpclib.const import Cardinality


@dataclass(frozen=True)
class Method:
    """One rpc: its path, who streams, and the types of its messages.

    Hashable, so that it is the key of a server's table of handlers, and the same object
    names the call at the client.
    """

    path: str
    """``/package.Service/Method``."""
    cardinality: Cardinality
    """Which of the two sides may send more than one message."""
    request_type: type[Any]
    """What the client sends, as the codec understands it."""
    reply_type: type[Any]
    """What the server sends, as the codec understands it."""
