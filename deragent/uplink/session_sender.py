"""The sending half of a session, with a task for each kind of message."""

import trio

from deragent.outbox import BackfillBatch, FileLookup
from deragent.tasks.agent_board import LEAST_PERIOD_S, MOST_PERIOD_S, AgentBoard
from deragent.uplink.backfill_pace import GIVE_UP_S, BackfillPace
from deragent.uplink.messages import write_gap, write_outbox, write_report, write_telemetry
from derproto.der import v1
from derproto.triogrpc import ClientStream, GRPCError, StreamTerminatedError

BACKFILL_ROWS = 1000
"""Rows of one message of backfill; fewer where Welcome says so. When full, the rest follow."""
BACKFILL_ROWS_S = 5000
"""Rows of backfill a second (configurable), so that live samples and the headend's journal have
room. When full, the rest wait in the outbox."""
BACKFILL_PAUSE_S = 0.02
"""Least pause after a message of backfill, however few its rows: at most 50 messages/s."""
GAPS_A_TURN = 100
"""Gap reports a second. When full, the rest follow a second later."""
GAPS_PAUSE_S = 1.0
"""Pause after a turn of gap reports, so that a growing gap needs no report for each row."""
LAST_WORDS_S = 1.0
"""Time to read the headend's last message, once nothing can be sent any more."""


class SessionSender:
    """Sends what the board holds. Each ``send_…`` but ``send`` runs until it is cancelled."""

    def __init__(self, stream: ClientStream, board: AgentBoard) -> None:
        self._stream = stream
        self._board = board

    async def send(self, message: v1.AgentMessage) -> None:
        """Sends a message. Raises: whatever a broken link raises."""
        try:
            await self._stream.send_message(message)
        except (GRPCError, StreamTerminatedError):
            # A Goodbye may have just come. The pause lets its reader end the session.
            await trio.sleep(LAST_WORDS_S)
            raise

    async def send_live(self, most_rows: int) -> None:
        """Sends rows measured in this session, at once."""
        board = self._board
        while True:
            rows = board.outbox.take_live(most_rows)
            if rows:
                await self.send(write_telemetry(board.boot_id, rows, backfill=False))
            else:
                await board.rows_waiting.wait()

    async def send_backfill(self, most_rows: int) -> None:
        """Sends rows from before the session, at a bounded rate and one message at a time."""
        board, pace = self._board, BackfillPace(most_rows)
        while True:
            batch = await self._next_backfill(pace.rows)
            if batch is None:
                await board.backfill_waiting.wait()
                continue
            sent_s = trio.current_time()
            acked = board.await_ack(batch.boot_id, batch.rows[-1].seq)
            await self.send(write_telemetry(batch.boot_id, batch.rows, backfill=True))
            with trio.move_on_after(GIVE_UP_S):
                await acked.wait()
            took_s = trio.current_time() - sent_s
            pace.note(took_s)
            due_s = max(BACKFILL_PAUSE_S, len(batch.rows) / board.backfill_rows_s)
            await trio.sleep(max(0.0, due_s - took_s))

    async def _next_backfill(self, most_rows: int) -> BackfillBatch | None:
        board = self._board
        while isinstance(step := board.outbox.next_backfill(most_rows), FileLookup):
            assert board.wait_rows is not None
            batch = board.outbox.take_looked_up(step, await board.wait_rows(step))
            if batch is not None:
                return batch
        return step

    async def send_gaps(self) -> None:
        """Sends reports of stretches that will never be sent."""
        board = self._board
        while True:
            for _ in range(GAPS_A_TURN):
                gap = board.outbox.gaps.take()
                if gap is None:
                    break
                await self.send(v1.AgentMessage(gap_report=write_gap(gap)))
            await trio.sleep(GAPS_PAUSE_S)
            if not board.outbox.gaps.has_due:
                await board.gaps_waiting.wait()

    async def send_reports(self) -> None:
        """Sends reports on dispatches."""
        board = self._board
        while True:
            taken = board.take_report()
            if taken is None:
                await board.reports_waiting.wait()
                continue
            report = write_report(*taken)
            await self.send(v1.AgentMessage(dispatch_report=report))

    async def send_heartbeats(self, period_s: float) -> None:
        """Sends signs of life."""
        board = self._board
        while True:
            heartbeat = v1.Heartbeat(
                ts_us=board.now().wall_us,
                uptime_ms=board.uptime_ms,
                outbox=write_outbox(board.outbox),
                devices=[
                    v1.DeviceHealth(asset_index=index, health=health)
                    for index, health in enumerate(board.devices.health)
                ],
            )
            await self.send(v1.AgentMessage(heartbeat=heartbeat))
            await trio.sleep(min(max(LEAST_PERIOD_S, period_s), MOST_PERIOD_S))
