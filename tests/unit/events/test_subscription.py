"""A reader's place, on a fake hub."""

import trio
from trio.testing import MockClock

from derhead.events.audience import Audience
from derhead.events.filters import Filter
from derhead.events.subscription import Subscription


class Hub:
    """A fake hub with one event of the log, once it has happened."""

    def __init__(self) -> None:
        self.ended = False
        self.news = 0
        self.happened = False
        self.happens_while_a_frame_is_made = False
        self.left = 0

    def leave(self, audience: Audience) -> None:
        self.left += 1

    async def wait_news(self, seen: int) -> None:
        if self.news == seen:
            await trio.sleep_forever()

    def hello(self, resumed: bool, position: int) -> bytes:
        return b"hello"

    def alive(self, position: int) -> bytes:
        return b"alive"

    async def telemetry(self, audience: Audience, look: int) -> tuple[int, bytes]:
        await trio.sleep(0.1)
        if self.happens_while_a_frame_is_made and not self.happened:
            self.happened = True
            self.news += 1
        return look, b""

    async def logged(self, wanted: Filter, position: int) -> tuple[int, list[bytes]] | None:
        return (8, [b"event"]) if self.happened and position < 8 else (position, [])


async def test_news_during_the_making_of_a_frame_is_not_missed(autojump_clock: MockClock) -> None:
    hub = Hub()
    hub.happens_while_a_frame_is_made = True
    async with Subscription(hub, Audience(Filter(), ()), 7, resumed=True) as reader:
        assert b"hello" in await reader.__anext__()
        began_s = trio.current_time()
        assert await reader.__anext__() == b"event"
        assert trio.current_time() - began_s < 1


async def test_a_reader_gets_a_sign_of_life_every_ten_seconds(autojump_clock: MockClock) -> None:
    async with Subscription(Hub(), Audience(Filter(), ()), 7, resumed=True) as reader:
        await reader.__anext__()
        began_s = trio.current_time()
        assert [await reader.__anext__() for _ in range(3)] == [b"alive"] * 3
        assert 30 <= trio.current_time() - began_s < 31


async def test_a_reader_gives_its_place_back_once(autojump_clock: MockClock) -> None:
    hub = Hub()
    async with Subscription(hub, Audience(Filter(), ()), 7, resumed=True):
        assert hub.left == 0
    assert hub.left == 1


def test_a_subscription_that_is_never_entered_gives_its_place_back() -> None:
    hub = Hub()
    Subscription(hub, Audience(Filter(), ()), 7, resumed=True)
    assert hub.left == 1
