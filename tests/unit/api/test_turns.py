"""A long list within an answer is rendered in turns, between which other tasks run."""

import json
from collections.abc import Iterator

import trio

from derhead.api.answering.replies import ITEMS_A_TURN, reply_with_list


class Renderings(trio.abc.Instrument):
    """Counts the items that are rendered in each step of a task."""

    def __init__(self) -> None:
        self.now = 0
        self.steps: list[int] = []

    def items(self, count: int) -> Iterator[dict[str, object]]:
        for n in range(count):
            self.now += 1
            yield {"n": n, "parts": []}

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps.append(self.now)
        self.now = 0


async def test_the_parts_of_an_answer_are_rendered_in_turns() -> None:
    renderings = Renderings()
    body = {"before": '"parts":[]', "parts": [], "after": 1}
    trio.lowlevel.add_instrument(renderings)
    answer = await reply_with_list(body, "parts", renderings.items(5_000), 201, {"Location": "/x"})
    trio.lowlevel.remove_instrument(renderings)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/x")
    text = (await answer.get_data(as_text=False)).decode()
    wanted = {**body, "parts": [{"n": n, "parts": []} for n in range(5_000)]}
    assert text == json.dumps(wanted, separators=(",", ":"))
    assert sum(renderings.steps) >= 5_000 - ITEMS_A_TURN
    assert max(renderings.steps) <= ITEMS_A_TURN
