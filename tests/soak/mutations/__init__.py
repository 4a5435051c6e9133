"""Deliberate faults of the daemons, to find out what the soak's judge sees.

From the ground up: ``mutation`` (what one is); ``of_outbox`` and ``of_setpoints`` (agents);
``of_sessions``; ``of_journal``, ``of_desk``, ``of_gaps`` and ``of_events`` (the headend);
``of_resources``.
"""

from tests.soak.mutations import (
    of_desk,
    of_events,
    of_gaps,
    of_journal,
    of_outbox,
    of_resources,
    of_sessions,
    of_setpoints,
)
from tests.soak.mutations.mutation import Mutation

ROOMS = (
    of_sessions,
    of_outbox,
    of_journal,
    of_desk,
    of_setpoints,
    of_gaps,
    of_events,
    of_resources,
)

MUTATIONS: dict[str, Mutation] = {each.name: each for room in ROOMS for each in room.MUTATIONS}
"""By name."""

__all__ = ["MUTATIONS", "Mutation"]
