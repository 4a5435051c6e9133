"""The page's pure modules, run in the browser."""

from collections.abc import Iterator

import pytest

from tests.support.fleets import fleet
from tests.support.processes.chromium import Browser
from tests.support.processes.world import World, running

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("modules"), fleet()) as world:
        world.start_headend()
        yield world


@pytest.fixture
def page(browser: Browser, world: World) -> Browser:
    browser.open(f"{world.base}/#/nowhere")
    return browser


def test_numbers_have_a_sign_a_unit_and_no_false_precision(page: Browser) -> None:
    shown = page.module(
        "format.js", "return a[0].map((x) => m.power(x, 2))", [1.204, -0.351, 0, -0.001, None]
    )
    assert shown == ["+1.20 MW", "\u22120.35 MW", "0.00 MW", "0.00 MW", "\u2013"]
    columns = page.module("format.js", "return [m.inColumn(1.5, 2), m.inColumn(1.5, 3)]")
    assert columns == ["+1.50\u2007", "+1.500"]


def test_an_assets_activity_is_a_word(page: Browser) -> None:
    cases = [
        ([-1.2, "battery"], "charging"),
        ([1.2, "battery"], "discharging"),
        ([-0.1, "ev_charger"], "charging"),
        ([3, "solar"], "generating"),
        ([-3, "load"], "consuming"),
        ([0.001, "battery"], "idle"),
        ([None, "battery"], ""),
    ]
    given = [case for case, _ in cases]
    said = page.module("format.js", "return a[0].map(([mw, kind]) => m.doing(mw, kind))", given)
    assert said == [word for _, word in cases]


def test_spans_have_two_units_at_most(page: Browser) -> None:
    spans = page.module("format.js", "return a[0].map(m.span)", [0, 8.4, 59.6, 90, 4800, 183600])
    assert spans == ["0 s", "8 s", "1 min", "2 min", "1 h 20 min", "2 d 3 h"]


def test_only_all_of_it_is_a_hundred_percent(page: Browser) -> None:
    shares = page.module("format.js", "return a[0].map(m.share)", [1, 0.9999999, 0.57, 0, None])
    assert shares == ["100 %", "99.999 %", "57 %", "0 %", "\u2013"]
    assert page.module("format.js", "return a[0].map(m.seconds)", [0.0884, 12.3]) == [
        "0.09 s",
        "12 s",
    ]


def test_an_answer_that_events_overtook_changes_nothing(page: Browser) -> None:
    """The answer to an order says `sent`, and may come after the event of `started`."""
    run = """
        const dispatch = (state, count) => ({id: "d", group_id: null, state,
            states: Array(count).fill({state, at: "2026-01-01T00:00:00Z"})});
        const store = new m.Store();
        const seen = [];
        const note = () => seen.push(store.dispatches.get("d").state);
        store.takeAnswer(dispatch("sent", 2)); note();
        store.takeDispatch(dispatch("started", 4)); note();
        store.takeAnswer(dispatch("sent", 2)); note();
        store.takeAnswer({id: "g", parts: [dispatch("sent", 2)]}); note();
        store.takeAnswer(dispatch("cancelled", 5)); note();
        return seen;
    """
    seen = page.module("store.js", run)
    assert seen == ["sent", "started", "started", "started", "cancelled"]


FLEET = """
const asset = (id, site, more) => ({id, name: id, site_id: site, site_name: site, kind: "load",
    rated_mw: 1, online: true, agent_id: id, ...more});
let fleet = m.withAssets(m.emptyFleet(), [asset("battery-10", "N"), asset("battery-2", "N"),
    asset("gone", "S", {online: false}), asset("quiet", "S")]);
const item = (asset_id, p_mw, stale = false) =>
    ({asset_id, p_mw, stale, age_s: 1, soc: null, setpoint_mw: null});
m.takeTelemetry(fleet, [item("battery-10", 2), item("battery-2", -0.5), item("quiet", 9, true)], 0);
const all = {text: "", site: "", kind: "", state: ""};
const names = (rows) => rows.map((row) => row.asset.id);
"""


def test_sums_count_current_values_and_the_missing_ones(page: Browser) -> None:
    totals = page.module("fleet.js", FLEET + "return m.totalsOf(fleet)")
    fleet_total = totals["fleet"]
    assert (fleet_total["mw"], fleet_total["up"], fleet_total["down"]) == (1.5, 2, 0.5)
    assert (fleet_total["counted"], fleet_total["assets"]) == (2, 4)
    counts = [fleet_total[state] for state in ("online", "stale", "offline")]
    assert counts == [2, 1, 1]
    assert [(site["name"], site["mw"]) for site in totals["sites"]] == [("N", 1.5), ("S", 0)]


def test_rows_are_found_and_sorted(page: Browser) -> None:
    run = FLEET + "return names(m.sorted(m.rowsOf(fleet, {...all, ...a[0]}), a[1], a[2]))"
    assert page.module("fleet.js", run, {}, "name", False) == [
        *("battery-2", "battery-10", "gone", "quiet")
    ]
    # Unknown values come last in either direction.
    assert page.module("fleet.js", run, {}, "power", True)[-1] == "gone"
    assert page.module("fleet.js", run, {}, "power", False)[0] == "battery-2"
    assert page.module("fleet.js", run, {}, "power", False)[-1] == "gone"
    assert page.module("fleet.js", run, {"state": "offline"}, "name", False) == ["gone"]
    assert page.module("fleet.js", run, {"text": "N BATT 10"}, "name", False) == ["battery-10"]
    assert page.module("fleet.js", run, {}, "state", False)[:2] == ["gone", "quiet"]


def test_an_agent_that_disconnects_takes_its_assets_offline(page: Browser) -> None:
    run = FLEET + "m.takeAgent(fleet, 'quiet', false); return m.totalsOf(fleet).fleet.offline"
    assert page.module("fleet.js", run) == 2


def test_a_link_knows_since_when_it_is_lost(page: Browser) -> None:
    run = (
        "let link = m.newLink(0); const seen = [link.phase];"
        "link = m.lost(link, 500); seen.push(link.phase);"
        "link = m.heard(link, 1000); seen.push(link.phase);"
        "link = m.lost(link, 9000); link = m.lost(link, 12000);"
        "return [...seen, link.phase, link.lostMs]"
    )
    assert page.module("link.js", run) == ["connecting", "connecting", "live", "lost", 1000]


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (
            {"name": "b", "mw": "1,5", "direction": "out"},
            {"asset_id": "b", "mw": -1.5, "duration_s": 900},
        ),
        (
            {"name": "N", "target": "site", "mw": "2", "unit": "h", "duration": "0.5"},
            {"site_id": "N", "mw": 2, "duration_s": 1800},
        ),
        ({"name": "b", "mw": "0", "direction": "out", "forever": True}, {"asset_id": "b", "mw": 0}),
    ],
)
def test_fields_make_an_order(
    page: Browser, fields: dict[str, object], body: dict[str, object]
) -> None:
    made = page.module("order.js", "return m.makeOrder({...m.newFields(), ...a[0]})", fields)
    assert made == {"body": body}


def test_missing_values_are_named_at_their_fields(page: Browser) -> None:
    made = page.module(
        "order.js", "return m.makeOrder({...m.newFields(), mw: 'much', duration: '-1'})"
    )
    assert set(made["errors"]) == {"name", "mw", "duration"}


def test_a_typed_sign_sets_the_direction(page: Browser) -> None:
    assert page.module("order.js", "return m.splitSign('-1.5', 'in')") == {
        "direction": "out",
        "mw": "1.5",
    }


def test_a_problem_appears_at_the_field_of_its_pointer(page: Browser) -> None:
    problem = {
        "detail": "the order cannot be used",
        "errors": [
            {"pointer": "/mw", "detail": "7 is beyond the limits"},
            {"pointer": "/duration_s", "detail": "-1 is out of range"},
            {"pointer": "/priority", "detail": "too high"},
        ],
    }
    assert page.module("order.js", "return m.placeErrors(a[0])", problem) == {
        "mw": "7 is beyond the limits.",
        "duration": "-1 is out of range.",
        "form": "Too high.",
    }
    assert page.module("order.js", "return m.placeErrors({detail: 'no'})") == {"form": "No."}


@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("", {"view": "overview", "query": {}}),
        ("#/?site=N&text=a%20b", {"view": "overview", "query": {"site": "N", "text": "a b"}}),
        ("#/assets/a%2Fb", {"view": "asset", "name": "a/b", "query": {}}),
        ("#/assets/%", {"view": "asset", "name": "%", "query": {}}),
        ("#/dispatches", {"view": "dispatches", "query": {}}),
        ("#/nowhere/at/all", {"view": "unknown", "query": {}}),
    ],
)
def test_addresses(page: Browser, address: str, route: dict[str, object]) -> None:
    assert page.module("route.js", "return m.parseRoute(a[0])", address) == route


def test_only_visible_rows_are_in_the_document(page: Browser) -> None:
    run = "return m.visibleRange(...a)"
    assert page.module("rows.js", run, 100, 44, 0, 900) == {"start": 0, "end": 100}
    assert page.module("rows.js", run, 1000, 50, -300, 900) == {"start": 0, "end": 20}
    assert page.module("rows.js", run, 1000, 50, 10_000, 900) == {"start": 192, "end": 226}
    assert page.module("rows.js", run, 1000, 50, 90_000, 900) == {"start": 1000, "end": 1000}


def test_a_window_moves_and_grows_and_never_into_the_future(page: Browser) -> None:
    hour = 3_600_000
    run = "return m[a[0]](...a.slice(1))"
    window = {"from": 0, "to": hour}
    assert page.module("chartmath.js", run, "pan", window, 0.5, hour) == window
    assert page.module("chartmath.js", run, "pan", window, -0.5, hour) == {
        "from": -hour / 2,
        "to": hour / 2,
    }
    zoomed = page.module("chartmath.js", run, "zoom", window, 0.5, 0.25, hour)
    assert zoomed == {"from": hour / 8, "to": hour * 5 / 8}
    longer = page.module("chartmath.js", run, "zoom", window, 2, 0.0, hour)
    assert longer == {"from": -hour, "to": hour}
    shortest = page.module("chartmath.js", run, "zoom", window, 1e-9, 0.5, hour)
    assert shortest["to"] - shortest["from"] == 60_000
    assert page.module("chartmath.js", run, "follow", window, hour, hour + 500)["to"] == hour + 500
    assert page.module("chartmath.js", run, "follow", window, 2 * hour, 2 * hour + 500) == window


def test_ticks_are_round_and_reach_the_edges(page: Browser) -> None:
    assert page.module("chartmath.js", "return m.ticks(-1.6, 0, 4)") == [-1.5, -1, -0.5, 0]
    assert page.module("chartmath.js", "return m.ticks(0, 0.3, 3)") == [0, 0.1, 0.2, 0.3]
    times = page.module("chartmath.js", "return m.timeTicks({from: 1000, to: 3601000}, 6, 0)")
    assert times == [600_000 * n for n in range(1, 7)]


def test_lines_break_at_gaps(page: Browser) -> None:
    points = [{"t": t, "p": p} for t, p in ((0, 1), (4, 2), (8, None), (12, 3), (40, 4))]
    parts = page.module("chartmath.js", "return m.segments(a[0], (p) => p.p, 10)", points)
    assert [[point["t"] for point in part] for part in parts] == [[0, 4], [12], [40]]
    path = "return m.linePath(m.segments(a[0], (p) => p.p, 10), (x) => x, (y) => y)"
    assert page.module("chartmath.js", path, points) == "M0,1L4,2M12,3h1M40,4h1"
    nearest = "return m.nearest(a[0], 11, 5).t"
    assert page.module("chartmath.js", nearest, points) == 12


def test_a_setpoint_is_drawn_in_steps(page: Browser) -> None:
    stairs = page.module(
        "chartmath.js", "return m.stairs([[{t: 0, value: 1}, {t: 5, value: 2}]])[0]"
    )
    assert stairs == [{"t": 0, "value": 1}, {"t": 5, "value": 1}, {"t": 5, "value": 2}]


DISPATCH = {
    "id": "d",
    "group_id": None,
    "asset_id": "a",
    "mw": -1.5,
    "state": "started",
    "reason": None,
    "created_at": "2026-01-31T12:00:00Z",
    "start_at": "2026-01-31T12:00:00Z",
    "end_at": "2026-01-31T12:15:00Z",
    "suspended": None,
    "cancelling": None,
    "attempts": 1,
    "states": [{"state": "started", "at": "2026-01-31T12:00:01Z", "reason": None}],
    "verdict": None,
}
NOON_MS = 1_769_860_800_000


@pytest.mark.parametrize(
    ("changes", "word", "tone", "sentence"),
    [
        ({}, "Running", "active", "Ends in 15 min."),
        ({"end_at": None}, "Running", "active", "Until it is replaced or withdrawn."),
        ({"suspended": "LINK_SILENT"}, "Running", "bad", "cannot hear the headend"),
        ({"cancelling": "x"}, "Being withdrawn", "active", "Ends in 15 min."),
        ({"state": "pending", "attempts": 0}, "Waiting", "waiting", "agent is not connected"),
        ({"state": "rejected", "reason": "LOCAL"}, "Refused", "bad", "local control (LOCAL)"),
        ({"state": "expired"}, "Expired", "bad", "in time"),
        (
            {"state": "failed", "reason": "HARDWARE_ERROR", "detail": "no answer"},
            *("Failed", "bad", "(HARDWARE_ERROR): no answer."),
        ),
        (
            {"state": "expired", "detail": "arrived after its window"},
            *("Expired", "bad", "Arrived after its window."),
        ),
        (
            {
                "state": "completed",
                "verdict": {
                    "outcome": "achieved",
                    "tolerance_mw": 0.1,
                    "held_error_mw": 0.0123,
                    "mean_error_mw": 0.2,
                },
            },
            *("Done", "good", "Held within 0.1 MW, 0.012 MW off on average."),
        ),
    ],
)
def test_a_dispatch_in_words(
    page: Browser, changes: dict[str, object], word: str, tone: str, sentence: str
) -> None:
    said = page.module(
        "dispatches.js",
        "return [m.stateWord(a[0]), m.stateTone(a[0]), m.situation(a[0], a[1])]",
        DISPATCH | changes,
        NOON_MS,
    )
    assert said[:2] == [word, tone]
    assert sentence in said[2]


def test_people_are_named_as_far_as_they_are_known(page: Browser) -> None:
    run = "return a.map(m.people)"
    nobody = {"ordered_by": None, "withdrawn_by": None}
    both = {"ordered_by": "anna", "withdrawn_by": "bert"}
    said = page.module("dispatches.js", run, nobody, nobody | {"ordered_by": "anna"}, both)
    assert said == ["", ", ordered by anna", ", ordered by anna, withdrawn by bert"]


def test_a_dispatch_is_listed_once_and_stays_for_a_while_after_its_end(page: Browser) -> None:
    ended = [{"state": "completed", "at": "2026-01-31T12:01:00Z", "reason": None}]
    dispatches = [
        DISPATCH,
        DISPATCH | {"id": "part-1", "group_id": "g", "created_at": "2026-01-31T12:00:05Z"},
        DISPATCH | {"id": "part-2", "group_id": "g", "created_at": "2026-01-31T12:00:05Z"},
        DISPATCH | {"id": "over", "state": "completed", "states": ended},
    ]
    run = "return m.openEntries(a[0], a[1]).map((each) => each.id)"
    just_after, later = NOON_MS + 100_000, NOON_MS + 400_000
    assert page.module("dispatches.js", run, dispatches, just_after) == ["g", "d", "over"]
    assert page.module("dispatches.js", run, dispatches, later) == ["g", "d"]


@pytest.mark.parametrize(
    ("gap", "text", "tone"),
    [
        (
            {"end": None, "cause": "link", "rows": None, "backfilled": False},
            *("The agent and the headend did not reach each other. It goes on.", "warn"),
        ),
        (
            {"end": "2026-01-31T12:01:00Z", "cause": "overflow", "rows": 15, "backfilled": False},
            *("The agent's memory was full. 15 values missing.", "warn"),
        ),
        (
            {"end": "2026-01-31T12:01:00Z", "cause": "link", "rows": None, "backfilled": True},
            *("The agent and the headend did not reach each other. Filled in later.", "good"),
        ),
    ],
)
def test_a_gap_in_words(page: Browser, gap: dict[str, object], text: str, tone: str) -> None:
    given = {"start": "2026-01-31T12:00:00Z", **gap}
    row = page.module("logrows.js", "return m.gapRow(a[0], a[1])", given, NOON_MS + 60_000)
    assert (row["text"], row["tone"], row["lengthS"]) == (text, tone, 60)


def test_an_agents_timeline_in_words(page: Browser) -> None:
    session = {
        "connected_at": "2026-01-31T11:00:00Z",
        "ended_at": "2026-01-31T12:00:00Z",
        "end_reason": "draining",
        "peer": "10.0.0.7:40312",
        "software_version": "0.1.0",
    }
    gap = {
        "asset_id": "a",
        "start": "2026-01-31T12:00:00Z",
        "end": "2026-01-31T12:01:00Z",
        "cause": "headend_restart",
        "rows": None,
        "backfilled": True,
    }
    entries = [
        {"kind": "connected", "session": session},
        {"kind": "disconnected", "session": session},
        {"kind": "gap", "gap": gap},
        {"kind": "dispatch", "dispatch": DISPATCH},
        {"kind": "comet", "summary": "something new"},
    ]
    run = (
        "return a[0].map((e) => m.timelineRow({at: '2026-01-31T12:00:00Z', ...e}, () => 'b').text)"
    )
    assert page.module("logrows.js", run, entries) == [
        "Connected from 10.0.0.7:40312, version 0.1.0.",
        "Disconnected after 1 h: the headend was stopped.",
        "b: The headend was not running. Filled in later.",
        "b ordered to hold \u22121.50 MW: running.",
        "something new",
    ]


def test_recent_dispatches_are_shown_if_old_ones_are_unreadable(page: Browser) -> None:
    run = """
        const asked = [];
        globalThis.fetch = async (path) => {
            asked.push(path);
            const whole = !path.includes("from=");
            const page = {items: [{id: "d"}], next_cursor: null};
            const body = whole ? {detail: "PostgreSQL is away"} : page;
            return {ok: !whole, status: whole ? 503 : 200, json: async () => body};
        };
        return m.dispatchesNow(0).then((found) => [found.trouble, found.dispatches.length, asked]);
    """
    trouble, count, asked = page.module("api.js", run)
    assert trouble == "Older ones cannot be read now: PostgreSQL is away."
    assert count == 5
    assert "/dispatch/history?from=1970-01-01T00%3A00%3A00.000Z&limit=50" in asked
