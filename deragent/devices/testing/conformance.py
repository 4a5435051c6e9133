"""The checks of the suite. Each opens a new bench, and raises NotConforming with what to change."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import trio

from deragent.devices.device import DeviceError, LocalControlError, Measurement
from deragent.devices.testing.device_bench import DeviceBench, OpenBench
from deragent.devices.testing.interruption import interrupt
from deragent.devices.testing.rules import (
    NotConforming,
    follows,
    insist,
    insist_on_limits,
    insist_on_measurement,
    insist_on_nameplate,
    levels_of,
)
from derproto.base.runtime import shielded_for
from derproto.stdio.command import leaves

CLOSE_S = 1.0
"""Time for ``run`` to end after its cancellation."""
MOST_AWAITS = 500
"""Awaits of one call at which it is cancelled. A call that waits more often is cut short there."""
LOOKS = 20
"""Looks at the power within ``settle_s`` and ``ramp_s``."""


@dataclass
class _Trial:
    """A bench whose device runs."""

    bench: DeviceBench

    async def call(self, name: str, *arguments: float) -> object:
        """Calls the device. Raises: DeviceError; NotConforming for any other error."""
        try:
            with trio.fail_after(self.bench.patience_s):
                return await getattr(self.bench.device, name)(*arguments)
        except (DeviceError, NotConforming, trio.TooSlowError):
            raise
        except Exception as wrong:
            raise NotConforming(
                f"{name} raised {wrong!r}; raise DeviceError from it, with words for people"
            ) from wrong

    async def read(self) -> Measurement:
        return insist_on_measurement(self.bench.asset, await self.must("read"))

    async def must(self, name: str, *arguments: float) -> object:
        """Calls the device while all is well."""
        try:
            return await self.call(name, *arguments)
        except (DeviceError, trio.TooSlowError) as failure:
            text = f"{name} failed with {failure!r} although nothing is wrong"
            raise NotConforming(text) from failure

    async def order(self, mw: float) -> None:
        """Tells the device, and waits until its equipment follows."""
        took_mw = await self.must("apply", mw)
        if not isinstance(took_mw, int | float):
            raise NotConforming(f"apply returned {took_mw!r}; return the MW that the device took")
        tolerance_mw = self.bench.tolerance_mw
        insist(
            abs(took_mw - mw) <= tolerance_mw,
            f"apply({mw:g}) says that the device took {took_mw:g} MW",
        )
        await self.settle(mw, took_mw)

    async def settle(self, mw: float, took_mw: float) -> None:
        shown = ""
        for look in range(LOOKS + 1):
            shown = await self._difference(mw, took_mw)
            if not shown:
                return
            if look < LOOKS:
                await trio.sleep(self.bench.settle_s / LOOKS)
        raise NotConforming(f"{self.bench.settle_s:g} s after apply({mw:g}) {shown}")

    async def _difference(self, mw: float, took_mw: float) -> str:
        """What does not follow the setpoint; empty if everything does."""
        bench, tolerance_mw = self.bench, self.bench.tolerance_mw
        if bench.setpoint_mw is not None:
            holds_mw = await bench.setpoint_mw()
            if holds_mw is None or abs(holds_mw - took_mw) > tolerance_mw:
                return f"the equipment holds {holds_mw} MW; mind sign and unit"
        read_mw = (await self.read()).p_mw
        if bench.power_mw is not None:
            true_mw = await bench.power_mw()
            if read_mw is None or abs(read_mw - true_mw) > 2 * tolerance_mw:
                return f"read says {read_mw} MW, and {true_mw:g} MW flow; mind sign and unit"
        if read_mw is None or not follows(bench.asset.kind, read_mw, mw, 2 * tolerance_mw):
            return f"read says {read_mw} MW"
        return ""


@contextmanager
def _plainly() -> Iterator[None]:
    """Takes what does not conform out of the groups of nurseries: a test shows one line of it."""
    try:
        yield
    except BaseExceptionGroup as group:
        found = [*leaves(group)]
        if all(isinstance(each, NotConforming) for each in found):
            raise found[0] from None
        raise


@asynccontextmanager
async def _trial(open_bench: OpenBench) -> AsyncIterator[_Trial]:
    with _plainly():
        async with open_bench() as bench, trio.open_nursery() as nursery:
            nursery.start_soon(bench.device.run)
            yield _Trial(bench)
            nursery.cancel_scope.cancel()


async def check_readings(open_bench: OpenBench) -> None:
    """Readings are possible in their units, and the device says what it is and accepts."""
    async with _trial(open_bench) as trial:
        reading = await trial.read()
        insist_on_limits(trial.bench.device.limits)
        insist_on_nameplate(await trial.must("identify"))
        if trial.bench.power_mw is not None:
            true_mw, read_mw = await trial.bench.power_mw(), reading.p_mw
            insist(
                read_mw is not None and abs(read_mw - true_mw) <= 2 * trial.bench.tolerance_mw,
                f"read says {read_mw} MW, and {true_mw:g} MW flow; mind sign and unit",
            )


async def check_orders(open_bench: OpenBench) -> None:
    """The equipment follows setpoints of both signs up to the limits, and is released."""
    async with _trial(open_bench) as trial:
        await trial.read()
        limits = trial.bench.device.limits
        for mw in levels_of(trial.bench.asset, limits):
            await trial.order(mw)
        await trial.must("release")
        if trial.bench.setpoint_mw is not None:
            holds_mw = await trial.bench.setpoint_mw()
            insist(holds_mw is None, f"after release the equipment still holds {holds_mw} MW")
        # A device told twice stays as it is.
        await trial.must("release")
        await trial.read()


async def check_ramps(open_bench: OpenBench) -> None:
    """A ramp is never faster than asked for, and ends at the setpoint."""
    async with _trial(open_bench) as trial:
        await trial.read()
        start_mw, end_mw = levels_of(trial.bench.asset, trial.bench.device.limits)[:2]
        ramp_s, tolerance_mw = trial.bench.ramp_s, trial.bench.tolerance_mw
        if not ramp_s:
            # As fast as the device can, or not at all; but no other error.
            try:
                await trial.call("apply", end_mw, trial.bench.asset.rated_mw)
            except DeviceError:
                return
            await trial.settle(end_mw, end_mw)
            return
        await trial.order(start_mw)
        before_mw = (await trial.read()).p_mw
        ramp_mw_per_s = abs(end_mw - start_mw) / ramp_s
        since_s = trio.current_time()
        await trial.must("apply", end_mw, ramp_mw_per_s)
        for _ in range(LOOKS):
            await trio.sleep(ramp_s / LOOKS)
            p_mw = (await trial.read()).p_mw
            allowed_mw = ramp_mw_per_s * (trio.current_time() - since_s) + 2 * tolerance_mw
            if p_mw is not None and before_mw is not None:
                insist(
                    abs(p_mw - before_mw) <= allowed_mw,
                    f"a ramp of {ramp_mw_per_s:g} MW/s moved the power from {before_mw:g} to "
                    f"{p_mw:g} MW within {trio.current_time() - since_s:.1f} s",
                )
        await trial.settle(end_mw, end_mw)


async def check_troubles(open_bench: OpenBench) -> None:
    """In every trouble calls raise DeviceError or wait; afterwards the device works again."""
    async with open_bench() as bench:
        names = tuple(bench.troubles)
    for name in names:
        async with _trial(open_bench) as trial:
            await trial.read()
            async with trial.bench.troubles[name]():
                for call in _calls(trial):
                    try:
                        await call()
                    except (DeviceError, trio.TooSlowError):
                        pass
                    except NotConforming as wrong:
                        raise NotConforming(f"{name}: {wrong}") from wrong
            await _recover(trial, name)


async def _recover(trial: _Trial, trouble: str) -> None:
    deadline_s = trio.current_time() + trial.bench.recovery_s
    while True:
        try:
            await trial.call("read")
            break
        except (DeviceError, trio.TooSlowError) as failure:
            if trio.current_time() >= deadline_s:
                text = f"{trouble} is over for {trial.bench.recovery_s:g} s, and read still fails"
                raise NotConforming(f"{text}: {failure!r}") from failure
            await trio.sleep(trial.bench.recovery_s / LOOKS)
    for mw in levels_of(trial.bench.asset, trial.bench.device.limits)[:2]:
        await trial.order(mw)


async def check_cancellation(open_bench: OpenBench) -> None:
    """Each call may be cancelled at each of its awaits; the next call works and means itself."""
    async with _trial(open_bench) as trial:
        await trial.read()
        levels = levels_of(trial.bench.asset, trial.bench.device.limits)
        for call in _calls(trial):
            for at_await in range(1, MOST_AWAITS + 1):
                try:
                    waited = await interrupt(call, at_await)
                except DeviceError as failure:
                    text = f"cancelled at await {at_await}, a call raised {failure!r}"
                    raise NotConforming(f"{text}; let Cancelled pass") from failure
                # An answer to the call that was cancelled must not pass for the next one's.
                await trial.order(levels[at_await % min(2, len(levels))])
                if not waited:
                    break


def _calls(trial: _Trial) -> tuple[Callable[[], Awaitable[object]], ...]:
    first = levels_of(trial.bench.asset, trial.bench.device.limits)[0]
    return (
        partial(_sound_read, trial),
        partial(trial.call, "apply", first),
        partial(trial.call, "release"),
        partial(trial.call, "identify"),
    )


async def _sound_read(trial: _Trial) -> None:
    insist_on_measurement(trial.bench.asset, await trial.call("read"))


async def check_overlap(open_bench: OpenBench) -> None:
    """Calls may overlap: sampler and controller do not wait for each other."""
    async with _trial(open_bench) as trial:
        await trial.read()
        first, *_, last = levels_of(trial.bench.asset, trial.bench.device.limits)
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(trial.read)
                nursery.start_soon(trial.must, "apply", first)
        await trial.order(last)


async def check_local_control(open_bench: OpenBench) -> None:
    """Local control shows in readings, or as LocalControlError, and ends."""
    async with _trial(open_bench) as trial:
        insist(not (await trial.read()).local, "read says local, and nobody has control")
        if trial.bench.local is None:
            return
        mw = levels_of(trial.bench.asset, trial.bench.device.limits)[0]
        async with trial.bench.local():
            refused = False
            try:
                await trial.call("apply", mw)
            except LocalControlError:
                refused = True
            except DeviceError as failure:
                text = f"under local control apply raised {failure!r}"
                raise NotConforming(f"{text}; raise LocalControlError") from failure
            insist(
                refused or (await trial.read()).local,
                "under local control read does not say local, and apply does not refuse",
            )
        insist(not (await trial.read()).local, "read says local after local control ended")
        await trial.order(mw)


async def check_closing(open_bench: OpenBench) -> None:
    """The end of ``run`` closes the device, soon; before, it neither ends nor crashes alone."""
    ended = trio.Event()
    with _plainly():
        async with open_bench() as bench, trio.open_nursery() as nursery:

            async def run() -> None:
                try:
                    await bench.device.run()
                finally:
                    ended.set()

            nursery.start_soon(run)
            await _Trial(bench).read()
            insist(not ended.is_set(), "run ended while the device was in use")
            nursery.cancel_scope.cancel()
            with shielded_for(CLOSE_S) as closing:
                await ended.wait()
            insist(
                not closing.cancelled_caught, f"run goes on {CLOSE_S:g} s after its cancellation"
            )


async def check_conformance(open_bench: OpenBench) -> None:
    """All checks. Raises: NotConforming, with what to change."""
    await check_readings(open_bench)
    await check_orders(open_bench)
    await check_ramps(open_bench)
    await check_overlap(open_bench)
    await check_cancellation(open_bench)
    await check_troubles(open_bench)
    await check_local_control(open_bench)
    await check_closing(open_bench)
