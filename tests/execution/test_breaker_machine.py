"""The breaker's promises under requests, failures, pauses, cancellations and time in any order."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clocks import Clock, settle

from fillhandler_server.execution.breaker import Breaker, BreakerOpenError, BreakerPolicy, BreakerState
from fillhandler_server.execution.errors import ErrorClass, VenueError

SICK = st.sampled_from([ErrorClass.NETWORK_ERROR, ErrorClass.TIMEOUT, ErrorClass.UNKNOWN_OUTCOME])
ANSWERED = st.sampled_from([ErrorClass.INVALID_ORDER, ErrorClass.INSUFFICIENT_FUNDS])
POLICY = BreakerPolicy(failures_max=2, cooldown_seconds=4, cooldown_seconds_max=16, jitter_factor=0.5)


class BreakerMachine(RuleBasedStateMachine):
    """Requests stay under way until a rule ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.breaker = Breaker(POLICY, clock=self.clock, sleep=self.clock.sleep, random=lambda: 0.5)
        self.tasks: dict[asyncio.Task[None], float | None] = {}
        self.under_way: dict[asyncio.Task[None], asyncio.Future[None]] = {}
        self.paused_until = 0.0
        self.probes: set[asyncio.Task[None]] = set()

    def run_in_loop(self, step: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(step)
        self.loop.run_until_complete(settle())
        for task in [task for task in self.tasks if task.done()]:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, BreakerOpenError):
                assert self.tasks[task] is not None
                assert not error.maybe_applied
            del self.tasks[task]

    async def request(self, deadline: float | None) -> None:
        async with self.breaker.request(deadline):
            task = asyncio.current_task()
            assert task is not None
            state = self.breaker.state
            assert state is not BreakerState.OPEN
            assert self.clock.now >= self.paused_until
            assert deadline is None or state is BreakerState.CLOSED or self.clock.now <= deadline
            if state is BreakerState.HALF_OPEN:
                assert not self.probes & set(self.under_way)
                self.probes.add(task)
            self.under_way[task] = self.loop.create_future()
            try:
                await self.under_way[task]
            finally:
                del self.under_way[task]

    @rule(patience=st.none() | st.floats(0.5, 20))
    def send(self, patience: float | None) -> None:
        async def step() -> None:
            deadline = None if patience is None else self.clock.now + patience
            self.tasks[asyncio.create_task(self.request(deadline))] = deadline

        self.run_in_loop(step())

    def end(self, data: st.DataObject, error: VenueError | None) -> None:
        async def step() -> None:
            future = data.draw(st.sampled_from(list(self.under_way.values())))
            if error is None:
                future.set_result(None)
            else:
                if error.retry_after:
                    self.paused_until = max(self.paused_until, self.clock.now + error.retry_after)
                future.set_exception(error)
            await settle()

        self.run_in_loop(step())

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        self.end(data, None)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), error_class=SICK)
    def fail(self, data: st.DataObject, error_class: ErrorClass) -> None:
        self.end(data, VenueError(error_class, "no", maybe_applied=False, temporary=True))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), error_class=ANSWERED)
    def refuse(self, data: st.DataObject, error_class: ErrorClass) -> None:
        self.end(data, VenueError(error_class, "no", maybe_applied=False, temporary=False))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), seconds=st.floats(0.1, 30))
    def ban(self, data: st.DataObject, seconds: float) -> None:
        error = VenueError(
            ErrorClass.RATE_LIMIT, "no", maybe_applied=False, temporary=True, retry_after=seconds
        )
        self.end(data, error)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        async def step() -> None:
            data.draw(st.sampled_from(list(self.tasks))).cancel()
            await settle()

        self.run_in_loop(step())

    @rule(seconds=st.floats(0.1, 20))
    def pass_time(self, seconds: float) -> None:
        self.run_in_loop(self.clock.advance(seconds))

    @invariant()
    def what_is_told_is_true(self) -> None:
        status = self.breaker.status()
        assert (status.state is BreakerState.OPEN) == (status.remaining_seconds > 0)
        assert status.waiting == len(self.tasks) - len(self.under_way)
        assert status.state is not BreakerState.CLOSED or status.waiting == 0
        assert status.state is not BreakerState.CLOSED or status.failures < POLICY.failures_max
        assert status.error_class is not None or status.failures == 0

    def teardown(self) -> None:
        """Once the exchange answers again, everybody gets through."""
        try:
            for _ in range(len(self.tasks) + 2):
                self.run_in_loop(self.clock.advance(60))
                for future in list(self.under_way.values()):
                    future.set_result(None)
                self.run_in_loop(settle())
            assert not self.tasks
            assert self.clock.sleeping == 0
        finally:
            for task in self.tasks:
                task.cancel()
            self.loop.run_until_complete(settle())
            self.loop.close()


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = hypothesis.settings(max_examples=60, stateful_step_count=40)
