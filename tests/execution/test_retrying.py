"""What is tried again, how often, and after how long: tables, bounds, and the loop that really waits."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import Clock, settle

from fillhandler_server.domain.errors import InvalidFieldError
from fillhandler_server.domain.retry_config import RETRY_KEYS
from fillhandler_server.domain.trades import Operation
from fillhandler_server.execution.errors import ErrorClass, VenueError
from fillhandler_server.execution.retrying import Decision, RetryPolicy, retrying
from fillhandler_server.handler.settings import read_config

E = ErrorClass
PLAIN = RetryPolicy(jitter_factor=0.0)
QUERY = Operation.QUERY


def failure(error_class: ErrorClass = E.NETWORK_ERROR, **fields: Any) -> VenueError:
    return VenueError(error_class, "no", **{"maybe_applied": False, "temporary": True} | fields)


def middle() -> float:
    return 0.5


def delays(policy: RetryPolicy, error: VenueError, operation: Operation = QUERY) -> list[float]:
    """The delays of a request that fails with this error until it is given up."""
    waits: list[float] = []
    attempt = 1
    while (decision := policy.decide(attempt, error, random=middle, operation=operation)).retry:
        waits.append(decision.delay)
        attempt += 1
    assert decision.delay == 0
    return waits


# ------------------------------------------------------------------ one decision

#: Every class, temporary and final: whether it is retried by default.
RULES = {
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


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("temporary", [True, False])
@pytest.mark.parametrize("error_class", ErrorClass)
def test_each_class_has_its_attempts_and_delays(
    error_class: ErrorClass, temporary: bool, operation: Operation
) -> None:
    error = failure(error_class, temporary=temporary)

    expected = [1.0, 2.0, 4.0] if RULES[error_class, temporary] else []
    assert delays(PLAIN, error, operation) == expected


@pytest.mark.parametrize("error_class", ErrorClass)
def test_only_listed_classes_are_retried(error_class: ErrorClass) -> None:
    only_timeouts = PLAIN.overridden({"retryable_errors": ["timeout"]})

    assert bool(delays(only_timeouts, failure(error_class))) is (error_class is E.TIMEOUT)


def test_an_unknown_outcome_follows_network_errors() -> None:
    only_network = PLAIN.overridden({"retryable_errors": ["network_error"]})

    assert delays(only_network, failure(E.UNKNOWN_OUTCOME)) == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"jitter_factor": 0}, [1.0, 2.0, 4.0]),
        ({"jitter_factor": 0.1}, [1.05, 2.1, 4.2]),
        ({"jitter_factor": 1}, [1.5, 3.0, 6.0]),
        ({}, [0.5, 1.0, 2.0]),
        ({"jitter_factor": None}, [0.5, 1.0, 2.0]),
        ({"jitter_factor": 0.1, "max_delay": 3}, [1.05, 2.1, 3.0]),
        ({"max_delay": 3}, [0.5, 1.0, 1.5]),
        ({"jitter_factor": 0, "max_delay": 0.25}, [0.25, 0.25, 0.25]),
        ({"jitter_factor": 0, "max_delay": 0}, [0.0, 0.0, 0.0]),
        ({"jitter_factor": 0, "exponential_base": 1}, [1.0, 1.0, 1.0]),
        ({"jitter_factor": 0, "exponential_base": 3, "base_delay": 0.5}, [0.5, 1.5, 4.5]),
        ({"jitter_factor": 0, "base_delay": 0}, [0.0, 0.0, 0.0]),
        ({"jitter_factor": 0, "max_retries": 7}, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]),
        ({"max_retries": 0}, []),
    ],
)
def test_the_delays_are_the_formula_s(keys: dict[str, Any], expected: list[float]) -> None:
    assert delays(RetryPolicy.from_config(keys), failure()) == pytest.approx(expected)


@pytest.mark.parametrize("error_class", [E.RATE_LIMIT, E.EXCHANGE_ERROR])
def test_what_the_exchange_asks_for_is_waited_in_full(error_class: ErrorClass) -> None:
    assert delays(PLAIN, failure(error_class, retry_after=3.0)) == [3.0, 3.0, 4.0]
    assert delays(PLAIN, failure(error_class, retry_after=259_200.0)) == [259_200.0] * 3


@pytest.mark.parametrize("nonsense", [-5.0, float("nan"), float("inf")])
def test_a_nonsensical_retry_after_is_none(nonsense: float) -> None:
    assert delays(PLAIN, failure(E.RATE_LIMIT, retry_after=nonsense)) == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("operation", "maybe_applied", "expected"),
    [
        (Operation.PLACE, True, [2.5, 2.5, 4.0]),
        (Operation.PLACE, False, [1.0, 2.0, 4.0]),
        (Operation.CANCEL, True, [1.0, 2.0, 4.0]),
        (Operation.QUERY, True, [1.0, 2.0, 4.0]),
    ],
)
def test_only_an_order_that_may_be_there_settles(
    operation: Operation, maybe_applied: bool, expected: list[float]
) -> None:
    policy = RetryPolicy.from_config({"jitter_factor": 0}, settle_seconds=2.5)

    assert delays(policy, failure(E.TIMEOUT, maybe_applied=maybe_applied), operation) == expected


def test_without_a_word_it_is_an_order_that_was_to_be_placed() -> None:
    error = failure(E.TIMEOUT, maybe_applied=True)

    assert PLAIN.decide(1, error, random=middle).delay == PLAIN.settle_seconds == 10.0


@pytest.mark.parametrize(
    ("attempt", "error", "reason"),
    [
        (1, failure(), "network_error: attempt 2 of 4 after 1.000 s (backoff)"),
        (
            2,
            failure(E.RATE_LIMIT, retry_after=9.0),
            "rate_limit: attempt 3 of 4 after 9.000 s (as the exchange asks)",
        ),
        (
            1,
            failure(E.TIMEOUT, maybe_applied=True),
            "timeout: attempt 2 of 4 after 10.000 s (settle_seconds, since the order may have been placed)",
        ),
        (4, failure(), "attempt 4 of 4 failed: max_retries"),
        (
            1,
            failure(E.AUTHENTICATION),
            "authentication is never retried: the same request would be refused again",
        ),
        (
            1,
            failure(E.EXCHANGE_ERROR, temporary=False),
            "exchange_error is final: the exchange did not say that it is temporary",
        ),
    ],
)
def test_a_decision_says_why(attempt: int, error: VenueError, reason: str) -> None:
    assert PLAIN.decide(attempt, error, random=middle).reason == reason


def test_attempts_beyond_the_last_are_given_up_too() -> None:
    # As after a restart with a smaller max_retries.
    assert not PLAIN.decide(9, failure(), random=middle).retry


# ------------------------------------------------------------------ bounds

# Down to a microsecond: below about 1e-300 the reference itself rounds.
SECONDS = st.just(0.0) | st.floats(1e-6, 86_400)
POLICIES = st.builds(
    RetryPolicy,
    max_retries=st.just(1000),
    base_delay=SECONDS,
    max_delay=SECONDS,
    exponential_base=st.floats(1, 100),
    jitter_factor=st.none() | st.floats(0, 1),
    settle_seconds=st.floats(0, 100),
)
ATTEMPTS = st.integers(1, 1000)
DRAWS = st.floats(0, 1, exclude_max=True)


def delay(policy: RetryPolicy, attempt: int, draw: float, **fields: Any) -> float:
    decision = policy.decide(attempt, failure(E.TIMEOUT, **fields), random=lambda: draw)
    assert decision.retry
    return decision.delay


def ceiling(policy: RetryPolicy, attempt: int) -> float:
    """min(max_delay, base_delay · exponential_base ^ (attempt - 1)), by whole powers that cannot overflow."""
    wait = policy.base_delay
    for _ in range(attempt - 1):
        wait = min(policy.max_delay, wait * policy.exponential_base)
    return min(policy.max_delay, wait)


@given(policy=POLICIES, attempt=ATTEMPTS, draw=DRAWS)
def test_a_delay_is_within_the_jitter_of_the_capped_power(
    policy: RetryPolicy, attempt: int, draw: float
) -> None:
    high = ceiling(policy, attempt)
    found = delay(policy, attempt, draw)

    assert 0 <= found <= policy.max_delay
    if policy.jitter_factor is None:
        assert found == pytest.approx(high * draw, rel=1e-6, abs=1e-300)
    else:
        exact = min(policy.max_delay, high * (1 + policy.jitter_factor * draw))
        assert found == pytest.approx(exact, rel=1e-6, abs=1e-300)


@given(policy=POLICIES, attempt=st.integers(1, 999), draw=DRAWS)
def test_delays_never_shrink_until_the_cap_and_stay_there(
    policy: RetryPolicy, attempt: int, draw: float
) -> None:
    assert delay(policy, attempt, draw) <= delay(policy, attempt + 1, draw)


@given(policy=POLICIES, attempt=ATTEMPTS, draw=DRAWS, asked=st.floats(0, 1e7), maybe_applied=st.booleans())
def test_a_delay_is_never_below_what_is_asked_nor_what_settles(
    policy: RetryPolicy, attempt: int, draw: float, asked: float, maybe_applied: bool
) -> None:
    found = delay(policy, attempt, draw, retry_after=asked, maybe_applied=maybe_applied)

    settling = policy.settle_seconds if maybe_applied else 0.0
    assert found == max(delay(policy, attempt, draw), asked, settling)


def test_a_draw_of_another_seed_is_another_delay() -> None:
    found = {
        RetryPolicy().decide(3, failure(), random=random.Random(seed).random).delay for seed in range(20)
    }

    assert len(found) == 20
    assert min(found) < 1 < 3 < max(found)


# ------------------------------------------------------------------ the loop


class Venue:
    """Fails with one error after the other, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def query(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


class Slept(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.mark.parametrize("temporary", [True, False])
@pytest.mark.parametrize("error_class", ErrorClass)
async def test_for_each_fault_the_attempts_and_the_delays_are_the_policy_s(
    error_class: ErrorClass, temporary: bool
) -> None:
    error = failure(error_class, temporary=temporary)
    venue, slept = Venue(*[error] * 100), Slept()

    with pytest.raises(VenueError) as caught:
        await retrying(PLAIN, venue.query, sleep=slept, random=middle)

    assert caught.value is error
    assert slept == ([1.0, 2.0, 4.0] if RULES[error_class, temporary] else [])
    assert venue.asked == len(slept) + 1


async def test_it_ends_with_the_first_answer() -> None:
    venue, slept = Venue(failure(), failure(E.RATE_LIMIT, retry_after=60.0)), Slept()

    assert await retrying(PLAIN, venue.query, sleep=slept, random=middle) == "answer"
    assert (venue.asked, slept) == (3, [1.0, 60.0])


@pytest.mark.parametrize("kind", [Operation.QUERY, Operation.CANCEL])
async def test_it_waits_exactly_as_single_decisions_say(kind: Operation) -> None:
    policy, slept = RetryPolicy(max_retries=6), Slept()
    error = failure(E.TIMEOUT, maybe_applied=True)

    with pytest.raises(VenueError):
        await retrying(
            policy, Venue(*[error] * 9).query, sleep=slept, random=random.Random(4).random, kind=kind
        )

    draw = random.Random(4).random
    assert slept == [policy.decide(n, error, random=draw, operation=kind).delay for n in range(1, 7)]


async def test_every_failure_is_told_before_its_wait() -> None:
    order: list[Any] = []
    errors = [failure(), failure(E.TIMEOUT), failure(E.AUTHENTICATION)]

    async def told(attempt: int, error: VenueError, decision: Decision) -> None:
        order.append((attempt, error, decision.retry, decision.delay))

    async def sleep(seconds: float) -> None:
        order.append(seconds)

    with pytest.raises(VenueError):
        await retrying(PLAIN, Venue(*errors).query, sleep=sleep, random=middle, on_failure=told)

    assert order == [
        (1, errors[0], True, 1.0),
        1.0,
        (2, errors[1], True, 2.0),
        2.0,
        (3, errors[2], False, 0.0),
    ]


async def test_attempts_of_an_earlier_process_count() -> None:
    venue, slept = Venue(*[failure()] * 9), Slept()
    told: list[tuple[int, bool]] = []

    async def note(attempt: int, _error: VenueError, decision: Decision) -> None:
        told.append((attempt, decision.retry))

    with pytest.raises(VenueError):
        await retrying(PLAIN, venue.query, sleep=slept, random=middle, on_failure=note, first_attempt=3)

    assert told == [(3, True), (4, False)]
    assert slept == [4.0]


async def test_another_error_is_not_an_exchange_s() -> None:
    venue, slept = Venue(InvalidFieldError.of("symbol", "unknown")), Slept()

    with pytest.raises(InvalidFieldError):
        await retrying(PLAIN, venue.query, sleep=slept)

    assert (venue.asked, slept) == (1, [])


async def test_placing_an_order_is_not_repeated_blindly() -> None:
    venue = Venue()

    with pytest.raises(ValueError, match="decide"):
        await retrying(PLAIN, venue.query, kind=Operation.PLACE)

    assert venue.asked == 0


async def test_a_wait_is_cancelled_at_once() -> None:
    clock, venue = Clock(), Venue(failure())
    task = asyncio.create_task(retrying(PLAIN, venue.query, sleep=clock.sleep, random=middle))
    await settle()
    assert clock.sleeping == 1

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (clock.sleeping, venue.asked) == (0, 1)


async def test_a_cancelled_attempt_is_not_tried_again() -> None:
    asked = 0

    async def hang() -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    slept = Slept()
    task = asyncio.create_task(retrying(PLAIN, hang, sleep=slept))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (asked, slept) == (1, [])


# ------------------------------------------------------------------ configuration


def test_the_defaults_are_the_original_design_s_with_full_jitter() -> None:
    policy = RetryPolicy.from_config({})

    assert policy == RetryPolicy() == RetryPolicy.from_config(None)
    assert policy.jitter_factor is None
    for name, key in RETRY_KEYS.items():
        if name not in ("jitter_factor", "retryable_errors"):
            assert getattr(policy, name) == key.default
    assert {error.value for error in policy.retryable_errors} == set(RETRY_KEYS["retryable_errors"].default)


def test_the_handler_s_own_configuration_is_taken_with_its_jitter(tmp_path: Any) -> None:
    config = read_config({"retry_config": {"max_retries": 5}}, tmp_path, lambda *_: None)

    policy = RetryPolicy.from_config(config["retry_config"])

    assert policy == RetryPolicy(max_retries=5, jitter_factor=0.1)


def test_an_override_changes_its_own_keys_only() -> None:
    policy = RetryPolicy.from_config({"max_retries": 5, "jitter_factor": Decimal("0.25")}, settle_seconds=9)
    assert type(policy.jitter_factor) is float

    own = policy.overridden({"base_delay": 2, "retryable_errors": ["timeout"]}, "connections[1].retry_config")

    assert own == RetryPolicy(
        max_retries=5,
        jitter_factor=0.25,
        base_delay=2.0,
        retryable_errors=frozenset({E.TIMEOUT}),
        settle_seconds=9,
    )
    assert own.overridden({"jitter_factor": None}).jitter_factor is None
    assert policy.overridden(None) == policy


@pytest.mark.parametrize(
    ("key", "value", "way_out"),
    [
        ("max_retries", -1, "a whole number from 0 to 1000"),
        ("max_retries", True, "a whole number"),
        ("max_retries", 2.0, "a whole number"),
        ("base_delay", "1", "a number from 0 to 86400"),
        ("base_delay", 10**400, "a number from 0 to 86400"),
        ("max_delay", float("inf"), "a number from 0 to 86400"),
        ("max_delay", Decimal("sNaN"), "a number from 0 to 86400"),
        ("exponential_base", 0.5, "a number from 1 to 100"),
        ("exponential_base", None, "a number from 1 to 100"),
        ("jitter_factor", 1.1, "a number from 0 to 1, not 1.1; None"),
        ("retryable_errors", "timeout", "a list of network_error, rate_limit"),
        ("retryable_errors", ["authentication"], "'authentication' is none of network_error, rate_limit"),
        ("retryable_errors", [["timeout"]], "is none of"),
        ("retries", 3, "is not a known key; known are max_retries, base_delay"),
        (("max_retries",), 3, "is not a known key"),
    ],
)
def test_a_wrong_key_is_named_with_the_way_out(key: Any, value: Any, way_out: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        RetryPolicy().overridden({key: value}, "connections[0].retry_config")

    (violation,) = caught.value.violations
    assert violation.field == f"connections[0].retry_config.{key}"
    assert way_out in violation.text


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(InvalidFieldError) as caught:
        RetryPolicy.from_config({"max_retries": -1, "max_delay": "1", "foo": 1, "base_delay": 2})

    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["retry_config.max_retries", "retry_config.max_delay", "retry_config.foo"]


@pytest.mark.parametrize("given", [3, [], "max_retries=3"])
def test_it_has_to_be_a_table(given: Any) -> None:
    with pytest.raises(InvalidFieldError, match=r"^retry_config: must be a table of max_retries, "):
        RetryPolicy.from_config(given)
