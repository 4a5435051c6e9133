"""The invariants of ``test_machine.py``, with the real daemons on a network in memory.

Only the sockets are replaced. Sessions, flow control, desk, journal file, controllers and the
agent's timelines file are the real ones, each in its task under Trio's virtual clock. Like TCP, the
network does not reorder bytes. Connections stall, break and are refused. Processes are killed and
come back to their folders. Clocks are set.

``DERHEAD_PROOF=N`` in the environment runs N times as many examples, new ones each time.
"""

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.dispatch.daemons import play
from tests.property.dispatch.script import (
    Act,
    Cut,
    Give,
    KillAgent,
    KillHeadend,
    Refuse,
    Script,
    Stall,
    Upset,
    Wait,
    Withdraw,
)
from tests.support.dispatch.invariants import broken

LONGER = os.environ.get("DERHEAD_PROOF")
EXAMPLES = 40 * int(LONGER or 1)

pauses_s = st.sampled_from([0.0, 0.3, 2.0, 9.0, 31.0, 70.0, 140.0])
orders = st.builds(
    Give,
    start_in_s=st.sampled_from([None, None, 0.5, 8.0, 40.0]),
    duration_s=st.sampled_from([1.0, 12.0, 45.0, 150.0, None]),
    priority=st.sampled_from([100, 128, 128, 200]),
    expires_in_s=st.sampled_from([None, None, 5.0, 60.0]),
    beyond=st.sampled_from([False, False, False, True]),
)
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(Wait, pauses_s),
    orders,
    orders,
    st.just(Cut()),
    st.builds(Refuse, pauses_s),
    st.builds(Stall, pauses_s),
    st.builds(KillHeadend, pauses_s),
    st.builds(Upset, st.sampled_from(["slow", "refusing", "mute"]), pauses_s),
    st.builds(Withdraw, st.integers(0, 2)),
    st.builds(KillAgent, pauses_s, st.sampled_from([0.0, 0.0, -7200.0, 7200.0]), st.booleans()),
)
scripts = st.builds(
    Script,
    acts=st.lists(acts, min_size=1, max_size=16),
    failsafe_s=st.sampled_from([0.0, 20.0, 60.0]),
    clock_s=st.sampled_from([0.0, 0.0, -7200.0, 36_000.0]),
    seed=st.integers(0, 7),
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=not LONGER)
@given(scripts)
def test_every_dispatch_ends_as_its_device_says(script: Script) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record = play(Path(folder), script)
    wrong = broken(record)
    assert not wrong, "\n".join([*record.story(), *wrong])
