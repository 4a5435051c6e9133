"""Readers that are slow get the newest state, cost nothing, and hold up nobody; those that take
nothing are cut off."""

import gc
import tracemalloc

import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from trio.testing import MockClock

from derhead.events import DispatchEvent
from derhead.httpserver import HttpLimits
from tests.stream.events.reading import Reader
from tests.stream.events.world import World, large_view, world
from tests.stream.http.support import receive_all
from tests.support.api.fake_headend import DISPATCHED, NOW

LIMITS = HttpLimits()
ASSETS = 400
"""Their frame is some 150 kB."""


def powers(items: list[dict[str, float]]) -> set[float]:
    return {item["p_mw"] for item in items}


async def test_a_slow_reader_gets_each_assets_newest_state_once(autojump_clock: MockClock) -> None:
    async with world(large_view(ASSETS)) as here:
        slow, fast = await here.reader("?kind=telemetry"), await here.reader("?kind=telemetry")
        await fast.next("telemetry")
        for n in range(1, 26):
            here.offer_all(n)
            assert powers((await fast.next("telemetry")).data["items"]) == {float(n)}
        # Its first frame is old; then comes one frame with all changes.
        assert powers((await slow.next("telemetry")).data["items"]) == {None}
        caught_up = await slow.next("telemetry")
        assert len(caught_up.data["items"]) == ASSETS
        assert powers(caught_up.data["items"]) == {25.0}
        here.offer_all(26)
        assert powers((await slow.next("telemetry")).data["items"]) == {26.0}
        # One frame for all, and one for the slow reader's distance.
        assert here.app.events.statistics().telemetry_frames == 28


async def test_a_slow_reader_misses_no_event_of_the_log(autojump_clock: MockClock) -> None:
    async with world() as here:
        slow = await here.reader("?kind=dispatch")
        await slow.next("hello")
        for first in range(10, 3_010, 100):
            here.view.history.happen(
                *(DispatchEvent(n, NOW, DISPATCHED) for n in range(first, first + 100))
            )
            await trio.sleep(0.9)
        told = [(await slow.next("dispatch")).id for _ in range(3_000)]
        assert told == list(range(10, 3_010))


async def test_a_reader_that_takes_nothing_is_cut_off(autojump_clock: MockClock) -> None:
    async with world(large_view(ASSETS)) as here:
        await here.reader()
        # The first frame fills the buffer between them.
        await trio.sleep(LIMITS.stream_s - 0.5)
        assert here.app.events.statistics().readers == 1
        await trio.sleep(1)
        assert here.app.events.statistics().readers == 0
        assert here.running.server.statistics().send_timeouts == 1


async def test_a_stalled_reader_does_not_delay_the_shutdown(autojump_clock: MockClock) -> None:
    async with world(large_view(ASSETS)) as here:
        await here.reader()
        await trio.sleep(2)
        began_s = trio.current_time()
        here.running.stopping.set()
        with trio.fail_after(60):
            await here.running.ended.wait()
        assert trio.current_time() - began_s <= LIMITS.grace_s + 1


async def test_a_reader_that_takes_a_little_now_and_then_stays(autojump_clock: MockClock) -> None:
    async with world(large_view(ASSETS)) as here:
        reader = await here.reader()
        for n in range(1, 8):
            here.offer_all(n)
            assert await reader.stream.receive_some(65536)
            await trio.sleep(LIMITS.stream_s - 1)
        assert here.app.events.statistics().readers == 1


async def test_a_reader_that_disconnects_is_noticed(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader()
        await reader.next("telemetry")
        await reader.stream.aclose()
        await trio.sleep(1)
        assert here.app.events.statistics().readers == 0


async def test_slow_readers_cost_no_memory(autojump_clock: MockClock) -> None:
    """Sixty looks make 9 MB of frames for each reader: after thirty of them no more is held."""
    async with world(large_view(ASSETS)) as here:
        readers = [await here.reader("?kind=telemetry") for _ in range(8)]
        for reader in readers:
            await reader.next("hello")
        await trio.sleep(1.1)
        here.offer_all(1)
        await trio.sleep(1)
        tracemalloc.start()
        try:
            await _look_often(here, readers, range(2, 32))
            before, _ = tracemalloc.get_traced_memory()
            await _look_often(here, readers, range(32, 62))
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < 500_000


async def _look_often(here: World, readers: list[Reader], numbers: range) -> None:
    for n in numbers:
        here.offer_all(n)
        await trio.sleep(1)
        if n % 10 == 0:
            for reader in readers:
                assert await reader.stream.receive_some(65536)
    gc.collect()


async def test_over_http_2_a_reader_that_opens_no_window_is_cut_off(
    autojump_clock: MockClock,
) -> None:
    async with world(large_view(ASSETS)) as here:
        stream = await here.running.connect()
        client = H2Connection(H2Configuration(client_side=True))
        client.initiate_connection()
        request = {
            ":method": "GET",
            ":path": "/events",
            ":scheme": "http",
            ":authority": "localhost",
        }
        client.send_headers(1, list(request.items()), end_stream=True)
        await stream.send_all(client.data_to_send())
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def keep_asking_whether_it_lives() -> None:
                while True:
                    await trio.sleep(5)
                    client.ping(b"12345678")
                    await stream.send_all(client.data_to_send())

            nursery.start_soon(keep_asking_whether_it_lives)
            with trio.fail_after(2 * LIMITS.stream_s):
                assert b"event: hello" in await receive_all(stream)
            nursery.cancel_scope.cancel()
        assert LIMITS.stream_s <= trio.current_time() - began_s <= LIMITS.stream_s + 2
        assert here.app.events.statistics().readers == 0
