"""One rpc, as both ends agree on it."""

from dataclasses import dataclass
from typing import Any

from grpclib.const import Cardinality


@dataclass(frozen=True)
class Method:
    """One rpc: its path, who streams, and the types of its messages.

    It is hashable: a server's handlers are keyed by it, and a client's call names it.
    """

    path: str
    """``/package.Service/Method``."""
    cardinality: Cardinality
    """Which of the two sides may send more than one message."""
    request_type: type[Any]
    """What the client sends, as the codec understands it."""
    reply_type: type[Any]
    """What the server sends, as the codec understands it."""
