"""The evidence of a drill in which everything went well, to plant breaches in.

North loses its headend from 200 s to 300 s. Its battery follows an order without an end, retreats
after 20 s, and follows the order again. South's generator gets an order each minute.
"""

from collections.abc import Iterator

from derproto.configuration.fleet import AssetKind, Failsafe, FailsafeAction
from launcher.drills.fault_kinds import FaultKind
from launcher.judgement.evidence import (
    DeviceNote,
    Evidence,
    KeptSample,
    Look,
    PlacedOrder,
    SeenEvent,
    SessionChange,
    StruckFault,
)
from tests.support.assets import make_asset
from tests.support.epoch import T0, S

BATTERY, GENERATOR = "battery", "generator"
NORTH, SOUTH = "north", "south"
PERIOD_S, LENGTH_S, CLOSED_S = 4, 600, 660
LOST_S, FOUND_S = 200, 300
RETREAT_S, RETURN_S = 219, 310


def at(second: float) -> int:
    """A time of the drill."""
    return T0 + round(second * S)


def reading(second: float, mw: float = 0.25) -> DeviceNote:
    return DeviceNote(at(second), "read", mw, 60 + second / 1e6)


def told(second: float, mw: float) -> DeviceNote:
    return DeviceNote(at(second), "told", mw)


def fault(
    kind: FaultKind, from_s: float, to_s: float, *agents: str, headend: bool = False
) -> StruckFault:
    victim = "headend" if headend else " ".join(agents)
    return StruckFault(kind, victim, agents, headend, at(from_s), at(to_s))


def play() -> Evidence:
    """The evidence, all promises kept."""
    drill = Evidence(
        assets={
            BATTERY: make_asset(BATTERY, failsafe=Failsafe(20.0)),
            GENERATOR: make_asset(
                *(GENERATOR, AssetKind.GENERATOR, 0.0, 2.0),
                failsafe=Failsafe(20.0, FailsafeAction.RELEASE),
            ),
        },
        agent_of={BATTERY: NORTH, GENERATOR: SOUTH},
        period_s=PERIOD_S,
        alive_s=10,
        began_us=at(0),
        ended_us=at(LENGTH_S),
        closed_us=at(CLOSED_S),
        faults=[fault(FaultKind.BLACKHOLE, LOST_S, FOUND_S, NORTH)],
    )
    drill.sessions[NORTH] = [
        SessionChange(at(-5), True),
        SessionChange(at(LOST_S + 30), False),
        SessionChange(at(RETURN_S - 1), True),
    ]
    drill.sessions[SOUTH] = [SessionChange(at(-5), True)]
    lost = range(LOST_S, RETURN_S)
    for asset_id, unseen in ((BATTERY, lost), (GENERATOR, range(0))):
        seconds = range(0, CLOSED_S, PERIOD_S)
        power = _battery_power if asset_id == BATTERY else _generator_power
        drill.kept[asset_id] = [
            KeptSample(at(s), power(s), reading(s).frequency_hz) for s in seconds
        ]
        drill.looks[asset_id] = [Look(at(s), at(_newest(s, unseen))) for s in range(CLOSED_S)]
        commands = _battery_commands() if asset_id == BATTERY else _generator_commands()
        notes = [*(reading(s, power(s)) for s in seconds), *commands]
        drill.notes[asset_id] = sorted(notes, key=lambda note: note.at_us)
    drill.orders = [*_orders()]
    drill.events = [
        SeenEvent(order.asked_us + n * S, 3 * place + n, order.dispatch_id or "", state)
        for place, order in enumerate(drill.orders)
        for n, state in enumerate(("pending", "started", order.state or ""))
    ]
    return drill


def _newest(second: int, unseen: range) -> int:
    seen = unseen.start - 1 if second in unseen else second
    return seen // PERIOD_S * PERIOD_S


def _battery_power(second: int) -> float:
    retreated = RETREAT_S <= second < RETURN_S
    return 0.0 if retreated or second < 5 else 1.5


def _battery_commands() -> Iterator[DeviceNote]:
    yield DeviceNote(at(-8), "opened")
    yield told(5.2, 1.5)
    yield told(RETREAT_S, 0.0)
    yield told(RETURN_S, 1.5)
    yield told(LENGTH_S + 1, 0.0)


def _generator_power(second: int) -> float:
    return 0.25


def _generator_commands() -> Iterator[DeviceNote]:
    yield DeviceNote(at(-8), "opened")
    for minute in range(10):
        yield told(60 * minute + 5.1, 1 + minute / 1000)
        yield DeviceNote(at(60 * minute + 25), "released")


def _orders() -> Iterator[PlacedOrder]:
    yield PlacedOrder(
        *(BATTERY, 1.5, at(5), at(5.1), "open"),
        start_us=at(5),
        withdrawn_us=at(LENGTH_S + 0.5),
        ids=("open",),
        state="cancelled",
    )
    for minute in range(10):
        begins = 60 * minute + 5
        yield PlacedOrder(
            *(GENERATOR, 1 + minute / 1000, at(begins), at(begins), f"{minute}"),
            start_us=at(begins),
            end_us=at(begins + 20),
            ids=(f"{minute}",),
            state="completed",
        )
