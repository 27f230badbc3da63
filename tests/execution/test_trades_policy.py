"""The attempts of trades and the waits between them, counted for each fault against the policy.

The waits are worked out here from the formulas of docs/retries.md, not by the code that is tested.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from support.model_exchange import AFTER, BEFORE, fails
from support.trade_rig import Request, Rig, play

from fillhandler_server.domain.reports import OrderStatus
from fillhandler_server.domain.trades import TradeOutcome
from fillhandler_server.execution.errors import ErrorClass
from fillhandler_server.execution.retrying import RetryPolicy

E = ErrorClass
DRAWS = (0.25, 0.9, 0.05, 0.6)


@dataclass(frozen=True)
class Case:
    """A way for a request to fail."""

    name: str
    error_class: ErrorClass
    maybe_applied: bool = False
    temporary: bool = True
    retry_after: float | None = None
    applied: str = BEFORE

    def fault(self, **more: object) -> object:
        return fails(
            self.error_class,
            applied=self.applied,
            maybe_applied=self.maybe_applied,
            temporary=self.temporary,
            retry_after=self.retry_after,
            **more,
        )

    @property
    def takes_effect(self) -> bool:
        return self.applied == AFTER


_FAULTS = (
    Case("network, not sent", E.NETWORK_ERROR),
    Case("network, broken", E.NETWORK_ERROR, maybe_applied=True),
    Case("timeout", E.TIMEOUT, maybe_applied=True),
    Case("timeout before it was sent", E.TIMEOUT),
    Case("rate limit", E.RATE_LIMIT),
    Case("rate limit with a time", E.RATE_LIMIT, retry_after=11.0),
    Case("exchange busy", E.EXCHANGE_ERROR),
    Case("exchange broken", E.EXCHANGE_ERROR, maybe_applied=True),
    Case("exchange broken with a time", E.EXCHANGE_ERROR, maybe_applied=True, retry_after=45.0),
    Case("exchange, final", E.EXCHANGE_ERROR, temporary=False),
    Case("exchange, final, perhaps applied", E.EXCHANGE_ERROR, temporary=False, maybe_applied=True),
    Case("no funds", E.INSUFFICIENT_FUNDS, temporary=False),
    Case("invalid", E.INVALID_ORDER, temporary=False),
    Case("no rights", E.AUTHENTICATION, temporary=False),
    Case("unknown", E.UNKNOWN_OUTCOME, maybe_applied=True),
)
CASES = [
    *_FAULTS,
    *(replace(case, name=f"{case.name}: applied", applied=AFTER) for case in _FAULTS if case.maybe_applied),
]

IN_PROCESS = RetryPolicy(jitter_factor=0.1)
FULL = RetryPolicy()
OWN = RetryPolicy(
    max_retries=5,
    base_delay=0.5,
    max_delay=3.0,
    exponential_base=3.0,
    jitter_factor=0.0,
    retryable_errors=frozenset({E.TIMEOUT, E.RATE_LIMIT}),
    settle_seconds=2.0,
)
POLICIES = {
    "jitter 0.1": IN_PROCESS,
    "full jitter": FULL,
    "own": OWN,
    "no retries": RetryPolicy(jitter_factor=0.1, max_retries=0),
    "one retry": RetryPolicy(max_retries=1),
}

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def is_retried(policy: RetryPolicy, case: Case) -> bool:
    rule = E.NETWORK_ERROR if case.error_class is E.UNKNOWN_OUTCOME else case.error_class
    if rule is E.EXCHANGE_ERROR and not case.temporary:
        return False
    return rule in policy.retryable_errors


def backoff(policy: RetryPolicy, attempt: int, draw: float) -> float:
    wait = min(policy.max_delay, policy.base_delay * policy.exponential_base ** (attempt - 1))
    if policy.jitter_factor is None:
        return wait * draw
    return min(policy.max_delay, wait * (1 + policy.jitter_factor * draw))


def delays(policy: RetryPolicy, case: Case, count: int, *, settle: float = 0.0) -> list[float]:
    """The waits after the attempts 1, 2, ..."""
    least = max(case.retry_after or 0.0, settle if case.maybe_applied else 0.0)
    return [max(least, backoff(policy, n, DRAWS[(n - 1) % len(DRAWS)])) for n in range(1, count + 1)]


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


@every_policy
@every_case
def test_an_order_that_never_gets_through(case: Case, policy: RetryPolicy) -> None:
    """Each attempt fails: so many, with these waits, in the journal as they were; then the trade ends."""

    async def scene() -> None:
        async with Rig(policy=policy, draws=DRAWS, streams=False) as rig:
            rig.exchange.always["place"] = case.fault()
            trade = await rig.trade()
            attempts = 1 + policy.max_retries if is_retried(policy, case) else 1
            waits = delays(policy, case, attempts - 1, settle=policy.settle_seconds)
            rig.placed_once()
            if case.takes_effect:
                # The first one did, and the first question shows it; the history tells the fill.
                assert len(rig.exchange.orders) == 1
                assert rig.exchange.counts() == {"place": 1, "find": 1, "trades": 1}
                delay = waits[0] if waits else None
                first = "exhausted" if delay is None else "scheduled"
                assert rig.requests() == [
                    Request(first, "place", 1, case.error_class, True, pytest.approx(delay)),
                    Request("succeeded", "query", 1),
                ]
                assert trade.outcome is TradeOutcome.FILLED
                assert (await rig.order(trade)).status is OrderStatus.FILLED
                return
            assert not rig.exchange.orders
            assert gaps(rig.exchange.times("place")) == pytest.approx(waits, abs=1e-6)
            assert rig.requests("place") == [
                *(
                    Request(
                        "scheduled", "place", n, case.error_class, case.maybe_applied, pytest.approx(wait)
                    )
                    for n, wait in enumerate(waits, 1)
                ),
                Request("exhausted", "place", attempts, case.error_class, case.maybe_applied),
            ]
            assert not rig.requests("query")
            assert trade.leg.attempts == (attempts, 0, 0)
            assert trade.outcome in (TradeOutcome.REJECTED, TradeOutcome.FAILED)
            if case.error_class in (E.NETWORK_ERROR, E.TIMEOUT, E.RATE_LIMIT, E.UNKNOWN_OUTCOME):
                assert trade.outcome is TradeOutcome.FAILED
            elif not case.temporary and not case.maybe_applied:
                assert trade.outcome is TradeOutcome.REJECTED
            assert trade.error_class == case.error_class
            assert (await rig.order(trade)).status is OrderStatus.REJECTED
            if case.maybe_applied:
                # And it was asked thoroughly, after the time in which the order might still have come.
                asked = rig.exchange.times("trades")
                sent = rig.exchange.times("place")
                assert len(asked) == attempts
                for at, when in zip(sent, asked, strict=True):
                    assert when - at >= policy.settle_seconds - 1e-6
            else:
                assert rig.exchange.counts() == {"place": attempts}

    play(scene)


@pytest.mark.parametrize("failures", [1, 2, 3])
@pytest.mark.parametrize("policy", [IN_PROCESS, FULL], ids=["jitter 0.1", "full jitter"])
@every_case
def test_an_order_that_gets_through_later(case: Case, policy: RetryPolicy, failures: int) -> None:
    async def scene() -> None:
        async with Rig(policy=policy, draws=DRAWS) as rig:
            rig.exchange.faults["place"].extend([case.fault()] * failures)
            trade = await rig.trade()
            if not is_retried(policy, case) and not case.takes_effect:
                assert rig.exchange.counts()["place"] == 1
                assert not trade.success
                return
            await rig.agrees(trade)
            assert trade.success
            if case.takes_effect:
                assert rig.exchange.counts()["place"] == 1
                assert [each.kind for each in rig.requests("place")] in (["scheduled"], ["exhausted"])
                return
            waits = delays(policy, case, failures, settle=policy.settle_seconds)
            assert gaps(rig.exchange.times("place")) == pytest.approx(waits, abs=1e-6)
            assert [each.delay for each in rig.requests("place")[:-1]] == pytest.approx(waits)
            assert rig.requests("place")[-1] == Request("succeeded", "place", failures + 1)
            assert trade.leg.attempts_of(1) == failures + 1

    play(scene)


@every_policy
@every_case
def test_questions_after_an_order_are_never_given_up(case: Case, policy: RetryPolicy) -> None:
    """Five fail in a row, whatever the policy's number; each wait grows, and the seventh finds its end."""

    async def scene() -> None:
        async with Rig(policy=policy, draws=DRAWS, streams=False) as rig:
            rig.exchange.faults["find"].extend([None] + [case.fault()] * 5)
            rig.exchange.fills.append([(0.3, rig.terms().quantity)])
            trade = await rig.trade(type="limit", limit_price="100")
            assert trade.success
            await rig.agrees(trade)
            asked = [
                max(case.retry_after or 0.0, backoff(policy, n, DRAWS[(n - 1) % len(DRAWS)]))
                for n in range(1, 6)
            ]
            assert [each.delay for each in rig.requests("query")] == pytest.approx(asked)
            assert {each.kind for each in rig.requests("query")} == {"scheduled"}
            times = rig.exchange.times("find")
            # A quarter of a second, then half.
            assert gaps([0.0, *times]) == pytest.approx([0.25, 0.5, *asked], abs=1e-6)
            assert trade.leg.attempts == (1, 0, 5)
            assert rig.exchange.counts()["place"] == 1

    play(scene)


@every_policy
@every_case
def test_a_cancel_is_tried_again_and_never_given_up(case: Case, policy: RetryPolicy) -> None:
    """Six fail. What the policy would not repeat is asked again every `max_delay`, and raises the alert."""

    async def scene() -> None:
        async with Rig(policy=policy, draws=DRAWS, streams=False) as rig:
            rig.exchange.always["cancel"] = case.fault()
            rig.exchange.stale = 1_000
            started = await rig.start(type="limit", limit_price="100")
            await rig.until(lambda: rig.stands().leg.placed)
            await rig.manager.cancel(started.trade_id)
            answered = await rig.manager.wait(started.trade_id)
            retried = policy.max_retries if is_retried(policy, case) else 0
            if not answered.finished:
                assert answered.undecided
                assert rig.exchange.counts()["cancel"] == retried + 1
            await rig.until(lambda: rig.exchange.counts()["cancel"] >= 6)
            rest = max(policy.max_delay, case.retry_after or 0.0)
            wanted = (delays(policy, case, retried) + [rest] * 6)[:6]
            assert gaps(rig.exchange.times("cancel"))[:5] == pytest.approx(wanted[:5], abs=1e-6)
            assert [each.delay for each in rig.requests("cancel")][:6] == pytest.approx(wanted)
            del rig.exchange.always["cancel"]
            rig.exchange.stale = 0
            trade = await rig.ended(started.trade_id)
            assert trade.outcome is TradeOutcome.NOT_FILLED
            assert not trade.undecided
            await rig.agrees(trade)
            assert rig.exchange.counts()["place"] == 1
            alerts = [kind for kind in rig.kinds() if kind.startswith("alert")]
            assert alerts == (["alert_raised", "alert_cleared"] if retried < 6 else [])

    play(scene)


def test_a_wait_that_the_exchange_asks_for_holds_up_every_trade() -> None:
    """A 429 is about the connection: another trade's order is held back as well."""

    async def scene() -> None:
        async with Rig(draws=DRAWS) as rig:
            rig.exchange.faults["place"].append(fails(E.RATE_LIMIT, retry_after=20.0))
            first = await rig.start()
            await rig.until(rig.requests)
            second = await rig.start("r2")
            one, other = await rig.ended(first.trade_id), await rig.ended(second.trade_id)
            assert one.success
            assert other.success
            times = rig.exchange.times("place")
            assert times[0] == 0.0
            assert all(when >= 20.0 for when in times[1:])
            assert len(times) == 3
            rig.placed_once()

    play(scene)
