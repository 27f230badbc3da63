"""One suite of stories for every book: dictionaries, and the working set over an encrypted store.

Whatever the engine is told, both must end in the same state and the same journal, and the store must come
to it again from its rows, from its journal, and from any mixture of the two.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conftest import a_store
from tests.support.desks import (
    SECOND,
    START,
    Command,
    MemoryDesk,
    StoreDesk,
    a_fill,
    a_report,
    bust,
    correct,
    differences,
    look,
    outcomes,
    record,
    register,
    report,
)
from tests.support.recounting import recounted, running
from tests.support.streams import batches, stories, wild_stories

from fillhandler_server.domain.events import OrdersCleared
from fillhandler_server.domain.reports import OrderStatus

pytestmark = pytest.mark.persistence

NEW, PENDING_NEW, FILLED, CANCELED = (
    OrderStatus.NEW,
    OrderStatus.PENDING_NEW,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)
HOUR = 3600 * SECOND


def terms(**more: Any) -> Command:
    given = {"order_id": "", "client_order_id": "c", "order_quantity": 10, **more}
    return register(a_report(PENDING_NEW, **given))


ACK = report(a_report(NEW, 5, symbol="", client_order_id="c", side=0))

STORIES: dict[str, list[list[Command]]] = {
    "duplicates, conflicts and enrichments": [
        [
            record(a_fill("t1", 1, 100, trade_time=START)),
            record(a_fill("t1", 1, 101)),
            record(a_fill("t1", 1, 101)),
        ],
        [record(a_fill("t1", liquidity=2)), record(a_fill("t1", 1, 101)), record(a_fill("t1", 1, 102))],
        [
            record(a_fill("t1", liquidity=2)),
            record(a_fill("t1", liquidity=1)),
            record(a_fill("t1", fees={"A": "0"})),
        ],
    ],
    "a whole life": [
        [terms(limit_price=100, expected_price=99, create_time=START)],
        [ACK, record(a_fill("t1", 4, 100, fees={"USDT": "0.1", "BNB": "-1"}, trade_time=START + HOUR))],
        [
            record(a_fill("t2", 6, "99.5", liquidity=1, trade_time=START + 2 * HOUR)),
            report(a_report(FILLED, 9)),
        ],
        [record(a_fill("t3", 1))],
    ],
    "busts": [
        [
            bust(a_fill("t1")),
            record(a_fill("t1", 4, trade_time=START)),
            record(a_fill("t2", 3, trade_time=START + HOUR)),
        ],
        [record(a_fill("t1", 4)), bust(a_fill("t2"))],
        [bust(a_fill("t2")), record(a_fill("t2", 3)), record(a_fill("t3"))],
    ],
    "corrections": [
        [record(a_fill("A", 3, 5, fees={"USDT": "1"})), correct(a_fill("B"), a_fill("C", 1, 7))],
        [correct(a_fill("A"), a_fill("B", 2, 6, trade_time=START + HOUR)), record(a_fill("C", 1, 7))],
        [correct(a_fill("C"), a_fill("D", 4)), record(a_fill("E", 4)), correct(a_fill("D"), a_fill("E", 4))],
        [bust(a_fill("A")), correct(a_fill("E"), a_fill("F", 9))],
    ],
    "corrections that wait, with other contents": [
        [correct(a_fill("A"), a_fill("B", 2)), correct(a_fill("A"), a_fill("B", 1))],
        [correct(a_fill("A"), a_fill("B", 1)), record(a_fill("A"))],
    ],
    "a tombstone that comes before the correction": [
        [record(a_fill("A", 3)), record(a_fill("B", 2))],
        [bust(a_fill("B")), correct(a_fill("A"), a_fill("B", 2)), record(a_fill("A", 3))],
    ],
    "a merge": [
        [terms()],
        [record(a_fill("t1", 4)), record(a_fill("t1", 5)), bust(a_fill("t2")), report(a_report(NEW, 1))],
        [ACK, record(a_fill("t1", 5)), record(a_fill("t2", 2)), record(a_fill("t3", 1, client_order_id="c"))],
    ],
    "a merge of what is in the rows with what is not": [
        [record(a_fill("t1", 4, order_id=""))],
        [record(a_fill("t2", 1))],
        [record(a_fill("t1", 4)), record(a_fill("t2", 1)), terms(order_id="7")],
    ],
    "merges of merges": [
        [terms(client_order_id="c"), record(a_fill("t1", order_id="")), record(a_fill("t2", 2, order_id=""))],
        [record(a_fill("t3", 4)), record(a_fill("t1")), record(a_fill("t2", 2))],
        [ACK, record(a_fill("t1", order_id="")), record(a_fill("t2", 2, order_id="", client_order_id="c"))],
    ],
    "copies of one trade meet": [
        [record(a_fill(order_id="7")), record(a_fill(order_id="8"))],
        [record(a_fill(order_id="", liquidity=1, client_order_id="c"))],
        [ACK, record(a_fill(order_id="7")), record(a_fill(order_id="", client_order_id="c"))],
    ],
    "a copy that was busted meets one that was not": [
        [
            record(a_fill(order_id="7")),
            record(a_fill(order_id="8")),
            record(a_fill(order_id="", client_order_id="c")),
        ],
        [bust(a_fill(order_id="", client_order_id="c")), record(a_fill("t2", 5))],
        [ACK, record(a_fill(order_id="7"))],
    ],
    "a copy in the rows meets one that is not there yet": [
        [terms(), record(a_fill(order_id="7")), record(a_fill(order_id="8"))],
        [record(a_fill(order_id="", client_order_id="c")), ACK, record(a_fill("t2", 5))],
        [record(a_fill("t3", 5))],
    ],
    "what waits meets trades without an order id": [
        [correct(a_fill("A"), a_fill("B", 2)), bust(a_fill("C")), record(a_fill("Z", 7))],
        [record(a_fill("A", 3, order_id="")), record(a_fill("C", 5, order_id=""))],
    ],
    "contracts that are learned late": [
        [record(a_fill("t1", 2, 4, fees={"BTC": "1"})), record(a_fill("t2", 2, 4)), terms(order_id="7")],
        [
            record(a_fill("t2", 2, 4, contract_kind=3)),
            record(a_fill("t3", 2, 4, contract_kind=3, multiplier="10")),
        ],
        [bust(a_fill("t1"))],
    ],
    "orders of different contracts merge": [
        [terms(contract_kind=3, multiplier="10"), record(a_fill("t1", 2, 4)), record(a_fill("t2", 2, 4))],
        [ACK, record(a_fill("t3", 2, 4)), bust(a_fill("t1"))],
    ],
    "amended": [
        [record(a_fill("t1", 2)), terms(order_id="7"), report(a_report(CANCELED, 4))],
        [
            report(a_report(NEW, 4, order_id="8", previous_order_id="7", order_quantity=6)),
            record(a_fill("t2", 1)),
        ],
        [record(a_fill("t3", 1, order_id="8")), report(a_report(CANCELED, 9, order_id="8"))],
    ],
    "markets": [
        [record(a_fill(market="spot")), record(a_fill(market="linear")), record(a_fill())],
        [record(a_fill()), record(a_fill("t2", market="spot")), record(a_fill("t2"))],
    ],
    "no times and no prices": [
        [
            record(a_fill("t1", 1, None)),
            record(a_fill("t2", 1, 0, contract_kind=3)),
            correct(a_fill("t1"), a_fill("t3", 2)),
        ],
        [bust(a_fill("t3")), bust(a_fill("t2")), report(a_report(CANCELED))],
    ],
    "longest numbers": [
        [
            record(a_fill(f"t{n}", "99999999999999999999.999999999999999999", "-0.000000000000000001"))
            for n in range(3)
        ],
        [bust(a_fill("t1")), correct(a_fill("t2"), a_fill("t4", "0.000000000000000001"))],
    ],
    "hostile ids": [
        [
            record(
                a_fill(
                    "'; DROP TABLE fills; --",
                    order_id='"%_\\',
                    client_order_id="\N{SNOWMAN}" * 40,
                    leg="/../",
                )
            )
        ],
        [
            record(
                a_fill(
                    "'; DROP TABLE fills; --",
                    order_id='"%_\\',
                    client_order_id="\N{SNOWMAN}" * 40,
                    leg="/../",
                )
            )
        ],
    ],
}


def same(desk: StoreDesk, memory: MemoryDesk) -> None:
    assert differences(look(desk, exact=True), look(memory, exact=True)) == []
    assert recounted(desk) == running(desk)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_book_ends_alike(store: StoreDesk, story: list[list[Command]]) -> None:
    memory = MemoryDesk()
    for commands in story:
        assert outcomes(store.run(*commands)) == outcomes(memory.run(*commands))
    same(store, memory)
    assert store.events() == memory.events()
    assert store.chain_problem() == ""

    rows, before = store.rows(), look(store, exact=True)
    store.rebuild()
    assert differences(look(store, exact=True), before) == []
    assert comparable(store.rows()) == comparable(rows)
    assert recounted(store) == running(store)


def comparable(rows: dict[str, list[Any]]) -> dict[str, Any]:
    """Rows, states as values, and without what only speeds up a look-up or says nothing."""
    made: dict[str, Any] = {
        name: found for name, found in rows.items() if name not in ("trades", "trade_scopes")
    }
    for name in ("orders", "fill_sums", "order_sums"):
        made[name] = [(*row[:-1], json.loads(row[-1])) for row in rows[name]]
    made["fill_sums"] = [row for row in made["fill_sums"] if row[-1]["n"] or row[-1]["reversed"]]
    for row in made["fill_sums"]:
        row[-1]["fees"] = {currency: fee for currency, fee in row[-1]["fees"].items() if fee[1]}
    made["order_sums"] = [row for row in made["order_sums"] if row[-1]["statuses"] or row[-1]["conflicts"]]
    return made


WAYS = ("flush", "evict", "restart", "crash", "rebuild")


def go(desk: StoreDesk, way: str) -> None:
    match way:
        case "flush":
            desk.flush()
        case "evict":
            desk.evict()
        case "restart":
            desk.restart()
        case "crash":
            desk.restart(flush=False)
        case "rebuild":
            desk.rebuild()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_happens_between_batches_does_not_matter(
    store: StoreDesk, story: list[list[Command]], way: str
) -> None:
    memory = MemoryDesk()
    said: list[list[str]] = []
    for commands in story:
        said.append(outcomes(store.run(*commands)))
        go(store, way)
        memory.run(*commands)
        store.now = memory.now
    same(store, memory)
    assert store.events() == memory.events()
    # Everything again: nothing moves.
    before = len(store.events())
    assert {o for commands in story for o in outcomes(store.run(*commands))} <= {"DUPLICATE", "CONFLICT"}
    assert len(store.events()) == before
    assert recounted(store) == running(store)


few = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
many = settings(few, max_examples=400)


def check_store(data: st.DataObject) -> None:
    story = data.draw(wild_stories())
    memory = MemoryDesk()
    with a_store() as desk:
        for commands in batches(data.draw, story):
            assert outcomes(desk.run(*commands)) == outcomes(memory.run(*commands))
            go(desk, data.draw(st.sampled_from(("nothing", *WAYS))))
            desk.now = memory.now
        same(desk, memory)
        assert desk.events() == memory.events()
        rows = comparable(desk.rows())
        desk.rebuild()
        assert comparable(desk.rows()) == rows
        assert desk.chain_problem() == ""


@few
@given(st.data())
def test_any_story_in_any_batches(data: st.DataObject) -> None:
    check_store(data)


@pytest.mark.long
@many
@given(st.data())
def test_any_story_in_any_batches_long(data: st.DataObject) -> None:
    check_store(data)


@few
@given(stories())
def test_duplicates_leave_the_statistics_alone(story: list[Command]) -> None:
    with a_store() as desk:
        desk.run(*story)
        before = running(desk)
        assert recounted(desk) == before
        desk.restart()
        assert set(outcomes(desk.run(*story))) <= {"DUPLICATE"}
        assert running(desk) == before


# ---------------------------------------------------------------------- clearing


def test_what_moves_after_a_clear_is_shown_again(store: StoreDesk) -> None:
    store.run(record(a_fill(order_id="7")), record(a_fill(order_id="8")))
    store.run(report(a_report(FILLED, 5, order_id="7")), report(a_report(FILLED, 5, order_id="8")))

    def clear_and_go_on(session: Any) -> None:
        session.engine.emit(OrdersCleared(2, store.now))
        session.engine.record_fill(a_fill("late", order_id="8"))

    store.do(clear_and_go_on)
    for way in ("flush", "crash", "rebuild"):
        go(store, way)
        store.flush()
        shown = store.store.db.execute("SELECT order_id FROM orders WHERE cleared = 0").fetchall()
        assert shown == [("8",)], way
    assert outcomes(store.run(record(a_fill(order_id="7")))) == ["DUPLICATE"]
