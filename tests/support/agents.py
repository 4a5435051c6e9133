"""What an agent did, as its board and its outbox count it."""

from dataclasses import dataclass

from deragent.tasks.agent_board import AgentBoard


@dataclass(frozen=True, slots=True)
class AgentStatistics:
    sessions: int
    samples: int
    skipped_samples: int
    ignored_messages: int
    outbox_rows: int
    acked_rows: int
    dropped_rows: int
    refused_rows: int
    gaps: int


def statistics_of(board: AgentBoard) -> AgentStatistics:
    counts, outbox = board.counts, board.outbox
    return AgentStatistics(
        sessions=counts.sessions,
        samples=counts.samples,
        skipped_samples=counts.skipped_samples,
        ignored_messages=counts.ignored_messages,
        outbox_rows=len(outbox),
        acked_rows=outbox.acked_rows,
        dropped_rows=outbox.dropped_rows,
        refused_rows=outbox.refused_rows,
        gaps=len(outbox.gaps),
    )
