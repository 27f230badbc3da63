"""The breaker: when it opens, for how long, whom it lets through, and that nothing stays stuck."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.clocks import Clock, settle

from fillhandler_server.execution.breaker import (
    Breaker,
    BreakerOpenError,
    BreakerPolicy,
    BreakerState,
    BreakerStatus,
)
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.retrying import RetryPolicy, retrying

E = ErrorClass
CLOSED, OPEN, HALF_OPEN = BreakerState
NOW = 0.0
"""A deadline that is over: what is not let through at once is refused."""
POLICY = BreakerPolicy(failures_max=3, cooldown_seconds=10, cooldown_seconds_max=50, jitter_factor=0.0)


def failure(error_class: ErrorClass = E.NETWORK_ERROR, **fields: Any) -> VenueError:
    return VenueError(error_class, "no", **{"maybe_applied": False, "temporary": True} | fields)


class Request:
    """A request through the breaker that ends when the test says how."""

    def __init__(self, breaker: Breaker, deadline: float | None = None) -> None:
        self.sent = False
        self.task = asyncio.create_task(self._run(breaker, deadline))
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def _run(self, breaker: Breaker, deadline: float | None) -> None:
        async with breaker.request(deadline):
            self.sent = True
            await self._end

    async def end(self, error: BaseException | None = None) -> None:
        await settle()
        assert self.sent
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)
        await asyncio.wait([self.task], timeout=5)
        assert self.task.exception() is error
        await settle()

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task], timeout=5)
        assert self.task.cancelled()
        await settle()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(POLICY, clock=clock, sleep=clock.sleep, random=lambda: 0.5)


@pytest.fixture
async def start(breaker: Breaker) -> AsyncIterator[Callable[..., Request]]:
    made: list[Request] = []

    def make(deadline: float | None = None) -> Request:
        made.append(Request(breaker, deadline))
        return made[-1]

    yield make
    for request in made:
        request.task.cancel()
    await asyncio.gather(*(request.task for request in made), return_exceptions=True)


async def attempt(breaker: Breaker, error: BaseException | None = None) -> None:
    """One request that is let through and ends so."""

    async def operation() -> None:
        if error is not None:
            raise error

    if error is None:
        await breaker.call(operation, NOW)
        return
    with pytest.raises(type(error)) as caught:
        await breaker.call(operation, NOW)
    assert caught.value is error


async def opened(breaker: Breaker) -> None:
    for _ in range(POLICY.failures_max):
        await attempt(breaker, failure())
    assert breaker.state is OPEN


#: Whether a failure of this kind counts as one of the exchange.
SICK = {
    (E.NETWORK_ERROR, True): True,
    (E.NETWORK_ERROR, False): True,
    (E.TIMEOUT, True): True,
    (E.TIMEOUT, False): True,
    (E.RATE_LIMIT, True): True,
    (E.RATE_LIMIT, False): True,
    (E.EXCHANGE_ERROR, True): True,
    (E.EXCHANGE_ERROR, False): False,
    (E.UNKNOWN_OUTCOME, True): True,
    (E.UNKNOWN_OUTCOME, False): True,
    (E.INSUFFICIENT_FUNDS, True): False,
    (E.INSUFFICIENT_FUNDS, False): False,
    (E.INVALID_ORDER, True): False,
    (E.INVALID_ORDER, False): False,
    (E.AUTHENTICATION, True): False,
    (E.AUTHENTICATION, False): False,
}


@pytest.mark.parametrize("temporary", [True, False])
@pytest.mark.parametrize("error_class", ErrorClass)
async def test_failures_of_the_exchange_open_it_and_answers_do_not(
    breaker: Breaker, error_class: ErrorClass, temporary: bool
) -> None:
    error = failure(error_class, temporary=temporary)

    for _ in range(POLICY.failures_max):
        assert breaker.state is CLOSED
        await attempt(breaker, error)

    expected = (
        BreakerStatus(OPEN, 3, 10.0, error_class, 0)
        if SICK[error_class, temporary]
        else BreakerStatus(CLOSED, 0, 0.0, None, 0)
    )
    assert breaker.status() == expected


@pytest.mark.parametrize("answer", [None, failure(E.INVALID_ORDER), failure(E.AUTHENTICATION)])
async def test_only_failures_in_a_row_count(breaker: Breaker, answer: VenueError | None) -> None:
    for error in (failure(), failure(), answer, failure(), failure()):
        await attempt(breaker, error)

    assert breaker.status() == BreakerStatus(CLOSED, 2, 0.0, E.NETWORK_ERROR, 0)


@pytest.mark.parametrize("error", [ValueError("ours"), asyncio.CancelledError()])
async def test_what_is_not_the_exchange_s_does_not_count(breaker: Breaker, error: BaseException) -> None:
    await attempt(breaker, failure())
    await attempt(breaker, failure())
    await attempt(breaker, error)
    assert breaker.status().failures == 2

    await attempt(breaker, failure())
    assert breaker.state is OPEN


async def test_one_probe_goes_through_and_closes_it_for_all(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    await opened(breaker)
    requests = [start() for _ in range(5)]
    await clock.advance(9.9)
    assert not any(request.sent for request in requests)
    assert breaker.status() == BreakerStatus(OPEN, 3, pytest.approx(0.1), E.NETWORK_ERROR, 5)

    await clock.advance(0.1)
    assert [request.sent for request in requests] == [True, False, False, False, False]
    assert breaker.status() == BreakerStatus(HALF_OPEN, 3, 0.0, E.NETWORK_ERROR, 4)
    await clock.advance(1000)
    assert not requests[1].sent

    await requests[0].end()
    assert all(request.sent for request in requests)
    assert breaker.status() == BreakerStatus(CLOSED, 0, 0.0, None, 0)


async def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_maximum(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    await opened(breaker)
    cooldowns = []
    for _ in range(5):
        cooldowns.append(breaker.status().remaining_seconds)
        probe = start()
        await clock.advance(breaker.status().remaining_seconds)
        await probe.end(failure(E.TIMEOUT))
    assert cooldowns == [10, 20, 40, 50, 50]
    assert breaker.status().failures == 8

    await clock.advance(50)
    await start().end()
    await opened(breaker)
    assert breaker.status().remaining_seconds == 10


@pytest.mark.parametrize(("draw", "cooldown"), [(0.0, 10.0), (0.5, 12.5), (0.999, 14.995)])
async def test_a_cooldown_has_its_jitter(clock: Clock, draw: float, cooldown: float) -> None:
    policy = BreakerPolicy(failures_max=3, cooldown_seconds=10, cooldown_seconds_max=50, jitter_factor=0.5)
    breaker = Breaker(policy, clock=clock, sleep=clock.sleep, random=lambda: draw)

    await opened(breaker)

    assert breaker.status().remaining_seconds == pytest.approx(cooldown)


@pytest.mark.parametrize("error_class", [E.RATE_LIMIT, E.EXCHANGE_ERROR])
async def test_a_pause_that_the_exchange_asks_for_holds_everything(
    breaker: Breaker, clock: Clock, start: Callable[..., Request], error_class: ErrorClass
) -> None:
    await attempt(breaker, failure(error_class, retry_after=3600.0))
    requests = [start() for _ in range(3)]
    await clock.advance(3599.0)
    assert not any(request.sent for request in requests)
    assert breaker.status() == BreakerStatus(OPEN, 1, 1.0, error_class, 3)

    await clock.advance(1.0)
    assert [request.sent for request in requests] == [True, False, False]
    await requests[0].end()
    assert all(request.sent for request in requests)


async def test_a_pause_is_not_shortened_by_a_cooldown_nor_by_another_pause(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    running = [start(), start()]
    await settle()
    await attempt(breaker, failure())
    await attempt(breaker, failure())
    await attempt(breaker, failure(E.RATE_LIMIT, retry_after=300.0))
    assert breaker.status().remaining_seconds == 300

    await running[0].end(failure(E.RATE_LIMIT, retry_after=5.0))
    assert breaker.status().remaining_seconds == 300
    await running[1].end(failure(E.RATE_LIMIT, retry_after=400.0))
    assert breaker.status().remaining_seconds == 400

    probe = start()
    await clock.advance(400)
    await probe.end(failure(E.RATE_LIMIT, retry_after=1.0))
    assert breaker.status().remaining_seconds == 20  # the second cool-down is longer than what is asked


async def test_a_pause_in_the_middle_of_a_probe_holds_on(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    late = start()
    await settle()
    await opened(breaker)
    probe, waiting = start(), start()
    await clock.advance(10)
    assert probe.sent

    await late.end(failure(E.RATE_LIMIT, retry_after=60.0))
    await probe.end()
    await clock.advance(59)
    assert (breaker.state, waiting.sent) == (OPEN, False)

    await clock.advance(1)
    assert waiting.sent


@pytest.mark.parametrize("late_error", [None, failure(), failure(E.INVALID_ORDER)])
async def test_what_was_sent_before_it_opened_changes_nothing(
    breaker: Breaker, clock: Clock, start: Callable[..., Request], late_error: VenueError | None
) -> None:
    late = [start(), start(), start()]
    await settle()
    await opened(breaker)
    before = breaker.status()
    await late[0].end(late_error)
    assert breaker.status() == before

    await clock.advance(10)
    await late[1].end(late_error)
    assert breaker.state is HALF_OPEN

    await start().end()
    await late[2].end(late_error)
    assert breaker.status() == BreakerStatus(CLOSED, 0, 0.0, None, 0)


# ------------------------------------------------------------------ cancellations and deadlines


async def test_a_cancelled_probe_leaves_its_place_to_the_next(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    await opened(breaker)
    first, second, third = start(), start(), start()
    await clock.advance(10)
    assert (first.sent, second.sent) == (True, False)

    await first.cancel()
    assert (second.sent, third.sent, breaker.state) == (True, False, HALF_OPEN)
    await second.end(ValueError("ours"))
    assert (third.sent, breaker.state) == (True, HALF_OPEN)
    await third.end()
    assert breaker.state is CLOSED


async def test_cancelled_while_waiting_it_holds_nothing(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    await opened(breaker)
    waiting = start()
    await settle()
    assert (clock.sleeping, breaker.status().waiting) == (1, 1)
    await waiting.cancel()
    assert (clock.sleeping, breaker.status().waiting, waiting.sent) == (0, 0, False)

    await clock.advance(10)
    probe, behind, last = start(), start(), start(clock.now + 100)
    await settle()
    await behind.cancel()
    await last.cancel()
    assert (clock.sleeping, breaker.status().waiting) == (0, 0)
    await probe.end()
    assert breaker.state is CLOSED


async def test_cancelled_in_the_moment_its_turn_comes_it_takes_no_probe(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    await opened(breaker)
    probe, waiting, after = start(), start(), start()
    await clock.advance(10)
    # Both in one turn of the loop: the probe's end wakes the next, which is cancelled before it runs.
    probe.task.cancel()
    waiting.task.cancel()
    await settle()

    assert (waiting.sent, after.sent) == (False, True)
    await after.end()
    assert breaker.state is CLOSED


async def test_a_deadline_before_the_end_of_the_opening_is_refused_at_once(
    breaker: Breaker, clock: Clock
) -> None:
    await opened(breaker)

    with pytest.raises(BreakerOpenError) as caught:
        async with asyncio.timeout(5), breaker.request(clock.now + 9):
            pytest.fail("let through")

    error = caught.value
    assert str(error) == "not sent: after 3 failures in a row (network_error) the connection rests for 10.0 s"
    assert (error.error_class, error.maybe_applied, error.temporary) == (E.NETWORK_ERROR, False, True)
    assert (error.retry_after, clock.slept) == (10.0, [])
    assert breaker.status().failures == 3


async def test_a_deadline_ends_the_wait_for_a_probe(
    breaker: Breaker, clock: Clock, start: Callable[..., Request]
) -> None:
    await opened(breaker)
    probe, short, long = start(), start(clock.now + 15), start(clock.now + 30)
    await clock.advance(14.9)
    assert not short.task.done()

    await clock.advance(0.1)
    assert isinstance(error := short.task.exception(), BreakerOpenError)
    assert (error.retry_after, "until one request" in str(error)) == (None, True)
    await probe.end()
    assert long.sent
    assert clock.sleeping == 0


async def test_with_retries_a_dead_exchange_is_asked_ever_more_rarely(clock: Clock) -> None:
    breaker = Breaker(POLICY, clock=clock, sleep=clock.sleep, random=lambda: 0.0)
    sent: list[float] = []

    async def dead() -> None:
        sent.append(clock.now - 1000)
        raise failure()

    policy = RetryPolicy(max_retries=1000, base_delay=1, max_delay=1, jitter_factor=0)
    task = asyncio.create_task(
        retrying(policy, lambda: breaker.call(dead), sleep=clock.sleep, random=lambda: 0.0)
    )
    await clock.advance(200)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert sent == [0, 1, 2, 12, 32, 72, 122, 172]
