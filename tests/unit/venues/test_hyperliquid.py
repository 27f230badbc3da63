"""Hyperliquid: documented shapes beyond the reference cases, and each trap.

Shapes are from hyperliquid.gitbook.io/hyperliquid-docs (info and exchange endpoints, WebSocket) and the
samples in ccxt 4.5.90; rows with a transaction hash were recorded from the venue.
"""

import json
from decimal import Decimal

import pytest

from fillhandler_server import venues
from fillhandler_server.domain.errors import InvalidFieldError, UnsupportedPayloadError
from fillhandler_server.domain.fills import ContractKind, Liquidity, Side
from fillhandler_server.domain.reports import OrderReport, OrderStatus, ParsedPayload

pytestmark = pytest.mark.parsing

D = Decimal
CLOID = "0x1234567890abcdef1234567890abcdef"
USER = "0x15f43d1f2dee81424afd891943262aa90f22cc2a"


def parse(payload: object) -> ParsedPayload:
    return venues.parse_payload("hyperliquid", "", json.dumps(payload).encode())


def refused(payload: object) -> list[str]:
    with pytest.raises(InvalidFieldError) as caught:
        parse(payload)
    return [violation.field for violation in caught.value.violations]


def skipped(payload: object) -> list[tuple[str, int]]:
    parsed = parse(payload)
    assert (parsed.fills, parsed.reports) == ([], [])
    return [(skip.kind, skip.count) for skip in parsed.skipped]


def report(payload: object) -> OrderReport:
    (found,) = parse(payload).reports
    return found


FILL = {
    "coin": "ETH", "px": "2381.1", "sz": "0.0841", "side": "A", "time": 1704262888911,
    "startPosition": "0.0841", "dir": "Close Long", "closedPnl": "0.19343",
    "hash": "0x09d77c96791e98b5775a04092584ab010d009445119c71e4005c0d634ea322bc", "oid": 3929354691,
    "crossed": True, "fee": "0.050062", "tid": 128423918764978, "cloid": None, "feeToken": "USDC",
    "builderFee": "0.01", "twapId": None,
}  # fmt: skip

ORDER = {
    "coin": "ETH", "side": "B", "limitPx": "2000.0", "sz": "0.06", "oid": 7456484275,
    "timestamp": 1710163596492, "origSz": "0.1", "cloid": CLOID,
}  # fmt: skip

FRONTEND = {
    "children": [], "cloid": None, "coin": "BLUR", "isPositionTpsl": False, "isTrigger": True,
    "limitPx": "0.5", "oid": 8670487141, "orderType": "Stop Limit", "origSz": "20.0", "reduceOnly": False,
    "side": "B", "sz": "20.0", "tif": None, "timestamp": 1715523663687,
    "triggerCondition": "Price above 0.6", "triggerPx": "0.6",
}  # fmt: skip


def update(status: str, **order: object) -> dict[str, object]:
    return {"order": ORDER | order, "status": status, "statusTimestamp": 1710163600000}


def answer(*statuses: object, kind: str = "order") -> dict[str, object]:
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": list(statuses)}}}


# ----------------------------------------------------------------------- fills


def test_a_fill() -> None:
    for payload in (
        FILL,
        [FILL],
        {"channel": "userFills", "data": {"isSnapshot": True, "user": USER, "fills": [FILL]}},
        {"channel": "user", "data": {"fills": [FILL]}},
        {"isSnapshot": False, "user": USER, "fills": [FILL]},
        {"id": 1, "response": {"type": "info", "payload": {"type": "userFills", "data": [FILL]}}},
    ):
        parsed = parse(payload)
        (fill,) = parsed.fills
        assert (parsed.reports, parsed.skipped) == ([], [])
        assert (fill.venue, fill.account, fill.symbol, fill.market) == (
            "hyperliquid",
            "main",
            "ETH",
            "linear",
        )
        assert (fill.order_id, fill.client_order_id, fill.trade_id) == ("3929354691", "", "128423918764978")
        assert (fill.side, fill.quantity, fill.price) == (Side.SELL, D("0.0841"), D("2381.1"))
        assert fill.fees == (("USDC", D("0.050062")),)  # the builder's fee is within
        assert (fill.liquidity, fill.trade_time) == (Liquidity.TAKER, 1704262888911 * 10**6)
        assert (fill.contract_kind, fill.multiplier) == (ContractKind.LINEAR, 1)
        assert (fill.base_currency, fill.quote_currency, fill.leg, fill.metadata) == ("ETH", "USDC", "", {})


@pytest.mark.parametrize(
    ("changes", "market", "base", "quote", "fees"),
    [
        ({"coin": "BTC"}, "linear", "BTC", "USDC", (("USDC", D("0.050062")),)),
        ({"coin": "kPEPE", "feeToken": None}, "linear", "kPEPE", "USDC", (("USDC", D("0.050062")),)),
        ({"coin": "xyz:TSLA"}, "linear", "TSLA", "USDC", (("USDC", D("0.050062")),)),
        ({"coin": "hyna:BTC", "feeToken": "USDE"}, "linear", "BTC", "USDE", (("USDE", D("0.050062")),)),
        ({"coin": "PURR/USDC", "feeToken": "PURR"}, "spot", "PURR", "USDC", (("PURR", D("0.050062")),)),
        ({"coin": "@107", "feeToken": "HYPE"}, "spot", "HYPE", "USDC", (("HYPE", D("0.050062")),)),
        ({"coin": "@156", "feeToken": "USOL"}, "spot", "USOL", "USDC", (("USOL", D("0.050062")),)),
        ({"coin": "@99999"}, "spot", "", "", (("USDC", D("0.050062")),)),
        ({"coin": "@107", "fee": "0.0", "feeToken": None}, "spot", "HYPE", "USDC", ()),
        ({"coin": "#5160"}, "", "", "", (("USDC", D("0.050062")),)),
    ],
)
def test_markets(
    changes: dict[str, object], market: str, base: str, quote: str, fees: tuple[tuple[str, Decimal], ...]
) -> None:
    (fill,) = parse([FILL | changes]).fills
    assert (fill.symbol, fill.market, fill.base_currency, fill.quote_currency, fill.fees) == (
        changes["coin"], market, base, quote, fees,
    )  # fmt: skip
    kind = {"linear": ContractKind.LINEAR, "spot": ContractKind.SPOT}
    assert fill.contract_kind == kind.get(market, ContractKind.UNSPECIFIED)


def test_what_a_fill_says_of_fees_and_liquidity() -> None:
    (fill,) = parse(FILL | {"crossed": False, "fee": "-0.062809", "side": "B", "cloid": CLOID}).fills
    assert (fill.liquidity, fill.side, fill.client_order_id) == (Liquidity.MAKER, Side.BUY, CLOID)
    assert fill.fees == (("USDC", D("-0.062809")),)
    assert parse(FILL | {"fee": "0.0"}).fills[0].fees == (("USDC", D(0)),)
    bare = {key: value for key, value in FILL.items() if key not in ("fee", "feeToken", "crossed")}
    (fill,) = parse(bare).fills
    assert (fill.fees, fill.liquidity) == ((), Liquidity.UNSPECIFIED)


def test_numbers_of_json_are_exact() -> None:
    payload = json.dumps(FILL).replace('"2381.1"', "2381.10000000000000001").replace('"0.0841"', "1e-05")
    (fill,) = venues.parse_payload("hyperliquid", "", payload.encode()).fills
    assert (fill.price, fill.quantity) == (D("2381.10000000000000001"), D("0.00001"))


@pytest.mark.parametrize(
    ("changes", "user", "mark"),
    [
        ({"dir": "Liquidated Isolated Long"}, "", "liquidation"),
        ({"dir": "Liquidated Cross Short"}, USER, "liquidation"),
        ({"dir": "Backstop Borrow Liquidation"}, "", "liquidation"),
        ({"dir": "Auto-Deleveraging"}, "", "adl"),
        ({"dir": "Settlement"}, "", "settlement"),
        ({"dir": "Close Long", "liquidation": {"liquidatedUser": USER.upper().replace("0X", "0x")}}, USER,
         "liquidation"),
        # The counterparty's fill has the object as well.
        ({"liquidation": {"liquidatedUser": "0x36", "markPx": "66607.0", "method": "market"}}, USER, None),
        ({"liquidation": {"liquidatedUser": "0x36", "markPx": "66607.0", "method": "market"}}, "", None),
        ({"dir": "Spot Dust Conversion", "tid": 0}, "", None),
        ({"dir": "Net Child Vaults"}, "", None),
        ({"dir": "Long > Short"}, "", None),
    ],
)  # fmt: skip
def test_forced_executions_are_marked(changes: dict[str, object], user: str, mark: str | None) -> None:
    (fill,) = parse({"fills": [FILL | changes], "user": user}).fills
    assert fill.metadata.get("execution") == mark
    assert fill.trade_id == str((FILL | changes)["tid"])


def test_slices_of_a_twap_order() -> None:
    entry = {"fill": FILL, "twapId": 2087225}
    for payload in (
        entry,
        [entry],
        {
            "channel": "userTwapSliceFills",
            "data": {"isSnapshot": True, "user": USER, "twapSliceFills": [entry]},
        },
    ):
        (fill,) = parse(payload).fills
        assert (fill.trade_id, fill.metadata) == ("128423918764978", {"twap_id": "2087225"})
    (fill,) = parse(FILL | {"twapId": 7}).fills
    assert fill.metadata == {"twap_id": "7"}


@pytest.mark.parametrize("key", ["px", "sz", "side", "time", "oid", "tid"])
def test_a_fill_that_lacks_a_value(key: str) -> None:
    row = {name: value for name, value in FILL.items() if name != key}
    assert refused({"channel": "userFills", "data": {"fills": [FILL, row]}}) == [f"data.fills[1].{key}"]
    assert refused(row) == [key]
    assert refused([row]) == [f"[0].{key}"]


def test_faults_of_a_fill() -> None:
    assert refused(FILL | {"side": "S", "sz": "0", "px": "x"}) == ["side", "sz", "px"]
    assert refused(FILL | {"crossed": "maybe"}) == ["crossed"]
    assert refused(FILL | {"coin": "@107", "feeToken": None}) == ["feeToken"]
    assert refused(FILL | {"coin": "PURR/USDC", "feeToken": None}) == ["feeToken"]
    assert refused(FILL | {"coin": "xyz:TSLA", "feeToken": None}) == ["feeToken"]
    assert refused(FILL | {"sz": "-1"}) == ["sz"]


# ---------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("word", "left", "status", "cumulative"),
    [
        ("open", "0.1", OrderStatus.NEW, "0"),
        ("open", "0.06", OrderStatus.PARTIALLY_FILLED, "0.04"),
        ("triggered", "0.1", OrderStatus.NEW, "0"),
        ("filled", "0.0", OrderStatus.FILLED, "0.1"),
        ("canceled", "0.06", OrderStatus.CANCELED, "0.04"),
        ("rejected", "0.1", OrderStatus.REJECTED, "0"),
        ("scheduledCancel", "0.1", OrderStatus.CANCELED, "0"),
        *(
            (f"{word}Canceled", "0.1", OrderStatus.CANCELED, "0")
            for word in ("margin", "vaultWithdrawal", "openInterestCap", "selfTrade", "reduceOnly",
                         "siblingFilled", "delisted", "liquidated")
        ),
        *(
            (f"{word}Rejected", "0.1", OrderStatus.REJECTED, "0")
            for word in ("tick", "minTradeNtl", "perpMargin", "reduceOnly", "badAloPx", "iocCancel",
                         "badTriggerPx", "marketOrderNoLiquidity", "positionIncreaseAtOpenInterestCap",
                         "insufficientSpotBalance", "oracle", "perpMaxPosition")
        ),
    ],
)  # fmt: skip
def test_statuses(word: str, left: str, status: OrderStatus, cumulative: str) -> None:
    row = update(word, sz=left)
    for payload in (
        row,
        [row],
        {"channel": "orderUpdates", "data": [row]},
        {
            "channel": "userHistoricalOrders",
            "data": {"isSnapshot": False, "user": USER, "orderHistory": [row]},
        },
        {"status": "order", "order": row},
    ):
        found = report(payload)
        assert (found.status, found.cumulative_quantity) == (status, D(cumulative))
        assert (found.order_quantity, found.average_price, found.limit_price) == (D("0.1"), None, 2000)
        assert (found.order_id, found.client_order_id) == ("7456484275", CLOID)
        assert (found.symbol, found.market, found.side, found.type) == ("ETH", "linear", Side.BUY, "")
        assert (found.time, found.create_time) == (1710163600000 * 10**6, 1710163596492 * 10**6)
        plain = word in ("open", "triggered", "filled", "canceled", "rejected")
        assert found.reason == ("" if plain else word)


def test_faults_of_an_order() -> None:
    assert refused({"channel": "orderUpdates", "data": [update("vanished")]}) == ["data[0].status"]
    assert refused({"order": ORDER, "statusTimestamp": 1710163600000}) == ["status"]
    assert refused(update("open", sz="0.2")) == ["order.sz"]
    assert refused(update("open", side="buy")) == ["order.side"]
    assert refused(update("open", sz=None, oid=None)) == ["order.sz", "order.oid"]


@pytest.mark.parametrize(
    ("changes", "kind", "price", "mark"),
    [
        ({}, "stop_limit", "0.5", {}),
        ({"orderType": "Limit", "tif": "Gtc"}, "limit", "0.5", {}),
        ({"orderType": "Limit", "tif": "Ioc"}, "limit", "0.5", {}),
        ({"orderType": "Limit", "tif": "Alo"}, "post_only", "0.5", {}),
        ({"orderType": "Market", "tif": "FrontendMarket"}, "market", None, {}),
        ({"orderType": "Stop Market"}, "stop_market", None, {}),
        ({"orderType": "Take Profit Market"}, "take_profit_market", None, {}),
        ({"orderType": "Take Profit Limit"}, "take_profit_limit", "0.5", {}),
        ({"orderType": None, "tif": "LiquidationMarket"}, "market", None, {"execution": "liquidation"}),
    ],
)
def test_types(changes: dict[str, object], kind: str, price: str | None, mark: dict[str, str]) -> None:
    found = report([FRONTEND | changes])
    assert (found.type, found.metadata, found.status) == (kind, mark, OrderStatus.NEW)
    assert found.limit_price == (None if price is None else D(price))


def test_open_orders() -> None:
    bare = {key: value for key, value in ORDER.items() if key not in ("origSz", "cloid")}
    found = report([bare])  # openOrders
    assert (found.status, found.order_quantity, found.cumulative_quantity) == (OrderStatus.NEW, None, None)
    assert (found.time, found.create_time) == (None, 1710163596492 * 10**6)
    found = report({"channel": "openOrders", "data": {"dex": "", "user": USER, "orders": [ORDER]}})
    assert (found.status, found.cumulative_quantity) == (OrderStatus.PARTIALLY_FILLED, D("0.04"))
    # It closes the whole position, whatever that is when it triggers.
    found = report(FRONTEND | {"isPositionTpsl": True, "sz": "0.0", "origSz": "0.0"})
    assert (found.status, found.order_quantity, found.cumulative_quantity) == (OrderStatus.NEW, None, None)
    spot = report(FRONTEND | {"coin": "@107"})
    assert (spot.symbol, spot.market, spot.base_currency, spot.quote_currency, spot.contract_kind) == (
        "@107", "spot", "HYPE", "USDC", ContractKind.SPOT,
    )  # fmt: skip


def test_web_data() -> None:
    data = {
        "clearinghouseState": {"marginSummary": {}, "assetPositions": []}, "openOrders": [FRONTEND],
        "serverTime": 1715523663999, "user": USER, "spotState": {"balances": []}, "twapStates": [],
        "meta": {"universe": []}, "assetCtxs": [],
    }  # fmt: skip
    parsed = parse({"channel": "webData2", "data": data})
    assert [(r.order_id, r.time) for r in parsed.reports] == [("8670487141", 1715523663999 * 10**6)]
    assert [(s.kind, s.count) for s in parsed.skipped] == [("balance", 2)]


def test_what_the_venue_canceled() -> None:
    found = report({"channel": "user", "data": {"nonUserCancel": [{"coin": "BTC", "oid": 17}]}})
    assert (found.status, found.order_id, found.symbol) == (OrderStatus.CANCELED, "17", "BTC")
    assert (found.market, found.reason, found.cumulative_quantity) == ("linear", "nonUserCancel", None)
    assert refused({"nonUserCancel": [{"coin": "BTC"}]}) == ["nonUserCancel[0].oid"]


# --------------------------------------------------------------------- answers


def test_answers_to_placements() -> None:
    filled = {"filled": {"totalSz": "0.02", "avgPx": "1891.4", "oid": 77747314, "cloid": CLOID}}
    payload = answer(
        {"resting": {"oid": 77738308}},
        filled,
        {"error": "Order must have minimum value of $10."},
        "waitingForFill",
        "waitingForTrigger",
    )
    for wrapped in (
        payload,
        payload["response"],
        {"channel": "post", "data": {"id": 256, "response": {"type": "action", "payload": payload}}},
    ):
        parsed = parse(wrapped)
        resting, done = parsed.reports
        assert (resting.status, resting.order_id, resting.client_order_id) == (
            OrderStatus.NEW,
            "77738308",
            "",
        )
        assert (resting.cumulative_quantity, resting.time) == (None, None)
        assert (done.status, done.order_id, done.client_order_id) == (OrderStatus.FILLED, "77747314", CLOID)
        assert (done.cumulative_quantity, done.average_price) == (D("0.02"), D("1891.4"))
        assert done.order_quantity is None  # an Ioc order is "filled" with less than it asked for
        assert [(s.kind, s.reason) for s in parsed.skipped] == [
            ("failed_placement", "Order must have minimum value of $10."),
            ("acknowledgement", "waitingForFill, which names no order"),
            ("acknowledgement", "waitingForTrigger, which names no order"),
        ]
    assert report(filled).status == OrderStatus.FILLED
    assert report({"resting": {"oid": 1, "cloid": CLOID}}).client_order_id == CLOID
    assert skipped({"error": "Insufficient margin to place order. asset=159"}) == [("failed_placement", 1)]
    found = report(answer({"error": "Invalid price", "cloid": CLOID}))
    assert (found.status, found.client_order_id, found.reason) == (
        OrderStatus.REJECTED,
        CLOID,
        "Invalid price",
    )


def test_answers_to_cancels_and_amends() -> None:
    missing = {"error": "Order was never placed, already canceled, or filled."}
    assert skipped(answer("success", missing, kind="cancel")) == [
        ("acknowledgement", 1),
        ("failed_cancel", 1),
    ]
    assert skipped(answer(missing, kind="cancelByCloid")) == [("failed_cancel", 1)]
    assert skipped(answer(missing, kind="modify")) == [("failed_amend", 1)]
    assert skipped({"status": "ok", "response": {"type": "default"}}) == [("acknowledgement", 1)]
    assert report(answer({"resting": {"oid": 5063830287}})).order_id == "5063830287"  # batchModify: a new id
    # A failed cancel that names its order is no rejection of it.
    assert skipped(answer(missing | {"oid": 1}, kind="cancel")) == [("failed_cancel", 1)]


def test_answers_about_twap_orders() -> None:
    running = {"type": "twapOrder", "data": {"status": {"running": {"twapId": 77738308}}}}
    failed = {"type": "twapOrder", "data": {"status": {"error": "Invalid TWAP duration: 1 min(s)"}}}
    assert skipped({"status": "ok", "response": running}) == [("twap", 1)]
    assert skipped({"status": "ok", "response": failed}) == [("failed_twap", 1)]
    canceled = {"type": "twapCancel", "data": {"status": "success"}}
    assert skipped({"status": "ok", "response": canceled}) == [("twap", 1)]


def test_failed_requests() -> None:
    text = "User or API Wallet 0x0123 does not exist."
    parsed = parse({"status": "err", "response": text})
    assert [(s.kind, s.reason) for s in parsed.skipped] == [("request_error", text)]
    post = {"channel": "post", "data": {"id": 1, "response": {"type": "error", "payload": "429 Too Many"}}}
    assert skipped(post) == [("request_error", 1)]
    assert skipped({"channel": "error", "data": "Invalid subscription"}) == [("request_error", 1)]
    assert skipped({"status": "unknownOid"}) == [("unknown_order", 1)]


def test_faults_of_answers() -> None:
    assert refused(answer({"resting": {}})) == ["response.data.statuses[0].resting.oid"]
    assert refused(answer({"filled": {"oid": 1, "avgPx": "1"}})) == [
        "response.data.statuses[0].filled.totalSz"
    ]
    assert refused(answer("perhaps")) == ["response.data.statuses[0]"]
    assert refused({"status": "ok", "response": "x"}) == ["response"]


# --------------------------------------------------------------------- skipped


@pytest.mark.parametrize(
    ("payload", "want"),
    [
        ({"channel": "user", "data": {"funding": {"time": 1, "coin": "ETH", "usdc": "-3", "szi": "49",
                                                  "fundingRate": "0.00004"}}}, [("funding", 1)]),
        ({"channel": "user", "data": {"liquidation": {"lid": 9, "liquidated_user": "0xb"}}},
         [("liquidation_notice", 1)]),
        ({"channel": "user", "data": {"twapHistory": [{"state": {}}]}}, [("twap", 1)]),
        ({"channel": "userFundings", "data": {"fundings": [{"coin": "ETH"}]}}, [("funding", 1)]),
        ({"channel": "userNonFundingLedgerUpdates", "data": {}}, [("ledger", 1)]),
        ({"channel": "userTwapHistory", "data": {"history": []}}, [("twap", 1)]),
        ({"channel": "subscriptionResponse", "data": {"method": "subscribe"}}, [("acknowledgement", 1)]),
        ({"channel": "pong"}, [("stream_control", 1)]),
        ({"channel": "trades", "data": [{"coin": "BTC"}]}, [("market_data", 1)]),
        ({"channel": "spotState", "data": {"spotState": {"balances": []}}}, [("balance", 1)]),
        ({"channel": "orderUpdates", "data": []}, [("empty", 1)]),
        ({"channel": "userFills", "data": {"isSnapshot": True, "user": USER, "fills": []}}, [("empty", 1)]),
        ([{"time": 1, "hash": "0x0", "delta": {"type": "funding", "coin": "SOL", "usdc": "75.6"}},
          {"time": 1, "hash": "0x0", "delta": {"type": "deposit", "usdc": "75.6"}}],
         [("funding", 1), ("deposit", 1)]),
        ({"time": 1, "coin": "ETH", "usdc": "-3", "szi": "49", "fundingRate": "0.00004"}, [("funding", 1)]),
        ({"balances": [{"coin": "USDC", "token": 0, "hold": "0.0", "total": "14.6"}]}, [("balance", 1)]),
        ({"assetPositions": [], "marginSummary": {}, "withdrawable": "1"}, [("balance", 1)]),
        ({"cumVlm": "1", "nRequestsUsed": 2, "nRequestsCap": 3}, [("account_update", 1)]),
        ({"position": {"coin": "ETH", "szi": "1"}, "type": "oneWay"}, [("position", 1)]),
        ({"coin": "BTC", "side": "A", "px": "68517.0", "sz": "0.005", "time": 1, "tid": 9, "hash": "0xc"},
         [("market_data", 1)]),
        ({"time": 1785848057, "state": {"coin": "BTC"}, "status": {"status": "finished"}, "twapId": 1},
         [("twap", 1)]),
    ],
)  # fmt: skip
def test_what_is_no_fill_and_no_report(payload: object, want: list[tuple[str, int]]) -> None:
    assert skipped(payload) == want


def test_keys_that_fit_no_kind() -> None:
    for payload in ({"a": 1}, [{"coin": "BTC"}], {"channel": "user", "data": {"x": 1}}):
        with pytest.raises(UnsupportedPayloadError):
            parse(payload)
    assert refused({"channel": "userFills"}) == ["data"]


def test_payloads_that_name_the_venue() -> None:
    for payload in (
        FILL, [FILL], ORDER, FRONTEND, update("open"), answer({"resting": {"oid": 1}}),
        {"channel": "orderUpdates", "data": [update("open")]}, {"fill": FILL, "twapId": 1},
    ):  # fmt: skip
        assert venues.parse_payload("", "", json.dumps(payload).encode()).venue == "hyperliquid"
    for payload in ({"status": "ok"}, {"channel": "trades", "data": []}, {"coin": "BTC"}, {"order": {}}):
        with pytest.raises(InvalidFieldError):
            venues.parse_payload("", "", json.dumps(payload).encode())
