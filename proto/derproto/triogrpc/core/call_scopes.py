"""What can end a running handler, and how its end is told apart."""

import trio
from grpclib.exceptions import GRPCError


class CallScopes:
    """The two cancel scopes of one served call.

    ``work`` is around the handler: its deadline is the call's, and ``stop`` cancels it
    with a status for the client. ``whole`` is around that and the sending of the status:
    it is cancelled when there is nobody left to tell.
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
