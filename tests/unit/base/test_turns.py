"""Long work leaves other tasks their turn."""

import trio

from derproto.base.turns import LOOKS_A_TURN, look_in_turns


class Looks(trio.abc.Instrument):
    """Counts the looks in each step of a task."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.before_step: list[int] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.before_step.append(len(self.seen))


async def test_other_tasks_run_between_two_turns() -> None:
    looks = Looks()
    trio.lowlevel.add_instrument(looks)
    await look_in_turns(range(2 * LOOKS_A_TURN + 1), looks.seen.append)
    trio.lowlevel.remove_instrument(looks)
    assert looks.seen == [*range(2 * LOOKS_A_TURN + 1)]
    assert looks.before_step == [LOOKS_A_TURN, 2 * LOOKS_A_TURN]
