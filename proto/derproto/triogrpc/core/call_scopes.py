"""The cancel scopes of a running handler, and why it was cancelled."""

import trio
from grpclib.exceptions import GRPCError


class CallScopes:
    """The two cancel scopes of one served call.

    ``work`` surrounds the handler. It has the call's deadline, and ``stop`` cancels it with a
    status for the client. ``whole`` surrounds ``work`` and the sending of the status. It is
    cancelled when the client is gone.
    """

    def __init__(self) -> None:
        self.whole = trio.CancelScope()
        self.work = trio.CancelScope()
        self.stopped: GRPCError | None = None

    def cancel(self) -> None:
        """The stream is gone."""
        self.whole.cancel()

    def stop(self, error: GRPCError) -> None:
        """The server wants the handler to end; the client is told ``error``."""
        if self.stopped is None:
            self.stopped = error
        self.work.cancel()
