"""Headend and agent together, as a state machine: the proof of what a dispatch promises.

The whole pure code of both sides runs under virtual time: the headend's plans, book, lifecycle and
messages, the agent's session clock, timeline, failsafe and file. The link between them loses,
doubles, reorders, stalls and breaks at either end. Headend and agent are killed at any moment, even
between a commit and its effects. The device is slow, refuses, or takes a command without an answer.
The disk refuses. Clocks are hours apart and are set. The device records what it was told, and when.
Every run ends with a quiet time, and then these invariants are checked against the record:

1. Every dispatch ends, in exactly one state, by steps that the lifecycle allows.

2. That state is what the device did. A dispatch that started was taken by the device. One that
   expired or was rejected was not. One that failed had an unwilling device. One that completed was
   followed to the end of the window, except for the interruption that it reports.

3. No device follows a setpoint outside its window by more than the time that the Welcome of its
   session was on its way, and 100 ppm of the time since. A device that cannot be reached leaves
   the setpoint as soon as it can be.

4. Once a dispatch has ended, its device does not follow it any more.

5. No effect happens twice. The device is told a dispatch once. It is told again only after a
   failsafe, a restart of its agent or a command that it did not answer, and never once another
   dispatch has replaced it.

6. A superseded dispatch names the one that superseded it: a stronger one whose window overlaps.

7. No device follows a dispatch while the headend is silent beyond ``failsafe.after_s``. If the
   headend is heard again before the end, the device follows it again.

The invariants are in ``invariants.py``, the worlds in ``together.py`` and ``daemons.py``, and
``test_daemons.py`` checks the same with the real daemons.

The examples are always the same, so that a failure belongs to the change that shows it.
``DERHEAD_PROOF=N`` in the environment runs N times as many, new ones each time.

These mistakes were put into the code by hand, and the test found each of them: an id that is taken
twice; the time on the way not taken off; the whole duration sent instead of the rest; a start or a
priority that is ignored; a loser that is kept; a loser superseded before the winner is received, or
by a window that it only meets; a failsafe that never trips, or never ends; an interruption that is
not reported; a device left under an order at its end; a dispatch unknown to the agent left as it is
on Register; ids forgotten, or time not counted, over a restart; a headend that ends by a guess a
dispatch that its agent may hold; a Cancel not repeated on the next session; a late report that
revives a dispatch. With ``DERHEAD_PROOF=5`` it also finds a Cancel before its setpoint that is
forgotten, an older report that overtakes a newer one, and a dispatch on a lost link taken for sent.
"""

import os
import random
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from derproto.configuration.fleet import Failsafe
from tests.property.dispatch.together import Together
from tests.support.dispatch.invariants import broken

LONGER = os.environ.get("DERHEAD_PROOF")
EXAMPLES = 1500 * int(LONGER or 1)
STEPS = 40
"""Most things that happen in one of them."""

pauses_s = st.sampled_from([0.0, 0.05, 0.3, 2.0, 9.0, 31.0, 70.0, 140.0])


class Machine(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    @initialize(
        failsafe_s=st.sampled_from([0.0, 20.0, 60.0]),
        clock_s=st.sampled_from([0.0, -7200.0, 36_000.0]),
        seed=st.integers(0, 2**16),
    )
    def begin(self, failsafe_s: float, clock_s: float, seed: int) -> None:
        self.world = Together(Failsafe(failsafe_s), clock_s, random.Random(seed))

    @rule(for_s=pauses_s)
    def wait(self, for_s: float) -> None:
        self.world.run(for_s)

    @rule(
        start_in_s=st.sampled_from([None, None, -1.0, 0.5, 8.0, 40.0]),
        duration_s=st.sampled_from([1.0, 12.0, 45.0, 150.0, None]),
        priority=st.sampled_from([100, 128, 128, 200]),
        expires_in_s=st.sampled_from([None, None, 5.0, 60.0]),
        beyond=st.sampled_from([False, False, False, True]),
        then_s=pauses_s,
    )
    def order(
        self,
        start_in_s: float | None,
        duration_s: float | None,
        priority: int,
        expires_in_s: float | None,
        beyond: bool,
        then_s: float,
    ) -> None:
        self.world.order(start_in_s, duration_s, priority, expires_in_s, beyond)
        self.world.run(then_s)

    @rule(ago=st.integers(0, 2))
    def cancel(self, ago: int) -> None:
        self.world.cancel(ago)

    @rule(transit_s=st.sampled_from([0.0, 0.05, 2.0]))
    def slow_down(self, transit_s: float) -> None:
        self.world.transit_s = transit_s

    @rule(who=st.sampled_from(["both", "agent", "headend"]))
    def cut(self, who: str) -> None:
        self.world.cut(who)

    @rule(on=st.booleans())
    def refuse(self, on: bool) -> None:
        self.world.refused = on

    @rule(on=st.booleans())
    def stall(self, on: bool) -> None:
        self.world.stalled = on

    @rule(on=st.booleans())
    def choke(self, on: bool) -> None:
        self.world.choked = on

    @rule(
        losing=st.sampled_from([0.0, 0.0, 0.3]),
        doubling=st.sampled_from([0.0, 0.5]),
        jitter_s=st.sampled_from([0.0, 0.1, 4.0]),
    )
    def worsen(self, losing: float, doubling: float, jitter_s: float) -> None:
        self.world.losing, self.world.doubling = losing, doubling
        self.world.jitter_s = jitter_s

    @rule(mood=st.sampled_from(["well", "slow", "refusing", "mute"]))
    def upset(self, mood: str) -> None:
        self.world.upset(mood)

    @rule(at=st.sampled_from(["now", "before", "after"]))
    def kill_headend(self, at: Literal["now", "before", "after"]) -> None:
        self.world.kill_headend(at)

    @rule()
    def start_headend(self) -> None:
        self.world.start_headend()

    @rule()
    def kill_agent(self) -> None:
        self.world.kill_agent()

    @rule(moves_s=st.sampled_from([0.0, 0.0, -7200.0, 7200.0]), new_boot=st.booleans())
    def start_agent(self, moves_s: float, new_boot: bool) -> None:
        self.world.start_agent(moves_s, new_boot)

    # What takes several things in a row, and is seldom hit on by chance.

    @rule(for_s=st.sampled_from([25.0, 65.0]))
    def be_silent(self, for_s: float) -> None:
        self.world.stalled = True
        self.world.run(for_s)
        self.world.stalled = False
        self.world.run(2.0)

    @rule(for_s=pauses_s, moves_s=st.sampled_from([0.0, -7200.0, 7200.0]), new_boot=st.booleans())
    def start_agent_anew(self, for_s: float, moves_s: float, new_boot: bool) -> None:
        self.world.kill_agent()
        self.world.run(for_s)
        self.world.start_agent(moves_s, new_boot)

    @rule(first_s=st.sampled_from([0.0, 2.0]), second_s=st.sampled_from([0.0, 0.05]))
    def order_two_that_meet(self, first_s: float, second_s: float) -> None:
        self.world.transit_s = first_s
        self.world.order(8.0, 12.0, 128, None, False)
        self.world.run(2.0)
        self.world.transit_s = second_s
        self.world.order(-1.0, 45.0, 128, None, False)

    @rule(works=st.booleans())
    def disk(self, works: bool) -> None:
        self.world.set_disk(works)

    def teardown(self) -> None:
        world = getattr(self, "world", None)
        if world is None:
            return
        record = world.finish()
        wrong = broken(record)
        assert not wrong, "\n".join([*record.story(), *wrong])


def test_every_dispatch_ends_as_its_device_says() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=not LONGER
        ),
    )
