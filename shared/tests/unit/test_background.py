import asyncio

import pytest

from switchboard.runtime import background
from switchboard.runtime.background import Backoff, LoopEndedEarly, Stop, Wakeup, repeat, run_loops
from switchboard.runtime.unavailable import Unavailable


async def test_a_sleep_ends_at_the_shutdown() -> None:
    stop = Stop()
    sleeping = asyncio.create_task(stop.sleep(60))
    await asyncio.sleep(0)

    stop.set()

    assert await sleeping is True
    assert await stop.sleep(60) is True


async def test_an_undisturbed_sleep_returns_false() -> None:
    assert await Stop().sleep(0.001) is False


async def test_a_wakeup_ends_the_wait_and_is_cleared() -> None:
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait(Stop(), 60))
    await asyncio.sleep(0)

    wakeup.set()

    assert await waiting is True
    assert await wakeup.wait(Stop(), 0.001) is False


async def test_a_wakeup_that_came_before_the_wait_is_not_lost() -> None:
    wakeup = Wakeup()
    wakeup.set()

    assert await wakeup.wait(Stop(), 60) is True


async def test_a_wait_for_a_wakeup_ends_at_the_shutdown() -> None:
    stop = Stop()
    waiting = asyncio.create_task(Wakeup().wait(stop))
    await asyncio.sleep(0)

    stop.set()

    assert await waiting is False


async def test_a_crashing_loop_cancels_the_others() -> None:
    ended = asyncio.Event()

    async def crash(_stop: Stop) -> None:
        raise RuntimeError("a bug")

    async def work(stop: Stop) -> None:
        try:
            await stop.wait()
        finally:
            ended.set()

    with pytest.raises(ExceptionGroup) as raised:
        await run_loops([work, crash], Stop())

    assert raised.group_contains(RuntimeError, match="a bug")
    assert ended.is_set()


async def test_a_loop_that_ends_early_is_an_error_that_names_it() -> None:
    async def forgetful(_stop: Stop) -> None:
        return

    with pytest.raises(ExceptionGroup) as raised:
        await run_loops([forgetful], Stop())

    assert raised.group_contains(LoopEndedEarly, match="forgetful")


async def test_a_cancelled_loop_ends_the_others_by_an_error() -> None:
    async def cancelled(_stop: Stop) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup) as raised:
            await run_loops([Stop.wait, cancelled], Stop())

    assert raised.group_contains(LoopEndedEarly, match="cancelled was cancelled before the shutdown")


async def test_loops_end_where_one_swallows_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "CANCEL_AGAIN_SECONDS", 0.01)

    async def swallow(stop: Stop) -> None:
        try:
            await stop.wait()
        except asyncio.CancelledError:
            await stop.wait()

    async def end_early(_stop: Stop) -> None:
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup):
            await run_loops([swallow, end_early], Stop())


async def test_a_time_limit_works_after_loops_have_failed() -> None:
    """Before Python 3.11.3 the cancellation by a TaskGroup made later time limits raise `CancelledError`."""

    async def end_early(_stop: Stop) -> None:
        await asyncio.sleep(0)

    with pytest.raises(ExceptionGroup):
        await run_loops([Stop.wait, end_early], Stop())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(5)


async def test_a_repeated_step_survives_an_unavailable_server() -> None:
    stop = Stop()
    calls: list[int] = []

    async def step() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise Unavailable("the server is down")
        stop.set()

    await repeat(step, every=0.001)(stop)

    assert calls == [0, 1]


async def test_a_repeated_step_does_not_hide_a_bug() -> None:
    async def step() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await repeat(step, every=0.001)(Stop())


def test_backoff_grows_to_a_limit_and_resets() -> None:
    backoff = Backoff(first=1, most=4)

    pauses = [backoff.pause() for _ in range(5)]
    backoff.reset()
    pauses.append(backoff.pause())

    for pause, expected in zip(pauses, [1, 2, 4, 4, 4, 1], strict=True):
        assert expected * 0.8 <= pause <= expected * 1.2
