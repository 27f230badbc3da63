"""Phemex: hedged contracts (plain Rp, Rq, Rv) and spot (integers of 8 places, Ep and Ev)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tests.simulation import writer as w
from tests.simulation.truth import Event, Execution, Kind, Listing, State, TruthOrder
from tests.simulation.writer import LIST, Capabilities, Envelope, Json, Message, Row, Writer, text

SIDES = {1: "Buy", 2: "Sell"}
STATUSES = {
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELED": "Canceled",
    "REJECTED": "Rejected",
}
CODES = {"NEW": 5, "PARTIALLY_FILLED": 6, "FILLED": 7, "CANCELED": 8, "REJECTED": 4}
NO_EXECUTION = "00000000-0000-0000-0000-000000000000"
# What is left of an IOC order is canceled.
WITHOUT = frozenset({Kind.EXPIRED})


def _account_push(rows: list[Json]) -> Json:
    account = {"accountBalanceRv": "1508.45", "accountID": 9328670003, "currency": "USDT", "userID": 932867}
    return {
        "accounts_p": [account],
        "orders_p": rows,
        "positions_p": [],
        "sequence": 11450,
        "timestamp": 1760000000000000000,
        "type": "incremental",
    }


def _wallet_push(rows: list[Json]) -> Json:
    """Each row is an order under its group, and with a trade its execution."""
    groups: dict[str, list[Json]] = {"closed": [], "fills": [], "open": []}
    for row in rows:
        for name, entry in row.items():
            groups[name].append(entry)
    more = {"sequence": 350, "timestamp": 1760000000000000000, "type": "incremental", "wallets": []}
    return {"orders": groups} | more


def _listed(rows: list[Json]) -> Json:
    return _ok({"total": len(rows), "rows": rows})


def _ok(data: object) -> Json:
    return {"code": 0, "msg": "OK", "data": data}


ACCOUNT = Envelope("orders_p", _account_push)
WALLET = Envelope("wallet", _wallet_push)
ROWS = Envelope("rows", _listed)


class Phemex(Writer):
    """Two hedged contracts, one of which takes its fees in PT too, and two spot symbols."""

    venue = "phemex"
    capabilities = Capabilities(resolution=1, average_places=8, trade_ids="venue")
    listings = (
        Listing(
            "BTCUSDT", "linear", "BTC", "USDT", Decimal(67190), Decimal("0.1"), Decimal("0.001"),
            ("USDT", "PT"), without=WITHOUT,
        ),
        Listing(
            "XRPUSDT", "linear", "XRP", "USDT", Decimal("2.4113"), Decimal("0.0001"), Decimal("0.1"),
            ("USDT",), without=WITHOUT, lots=80_000,
        ),
        Listing(
            "sBTCUSDT", "spot", "BTC", "USDT", Decimal(67213), Decimal("0.01"), Decimal("0.000001"),
            ("BTC", "USDT"), without=WITHOUT, lots=900_000,
        ),
        Listing(
            "sETHUSDT", "spot", "ETH", "USDT", Decimal("3521.4"), Decimal("0.01"), Decimal("0.00001"),
            ("ETH", "USDT", "PT"), without=WITHOUT, lots=90_000,
        ),
    )  # fmt: skip

    def order_id(self, number: int) -> str:
        return f"{number:08x}-47a4-4929-aab4-{number:012x}"

    def trade_id(self, number: int) -> str:
        return f"{number:08x}-c777-510c-8476-{number:012x}"

    def client_order_id(self, number: int) -> str:
        return f"{number:08x}-9064-62a9-28f6-{number:012x}"

    # ------------------------------------------------------------------ WebSocket

    def stream(self, event: Event) -> list[Message]:
        order, e = event.order, event.execution
        told = () if e is None else (e,)
        if not _is_spot(order):
            return [w.stream(order, Row(account_order(event), event, told), ACCOUNT)]
        group = "open" if event.state.status in ("NEW", "PARTIALLY_FILLED") else "closed"
        row: Json = {group: _wallet_order(event)}
        if e is not None:
            row["fills"] = _wallet_fill(event, e)
        return [w.stream(order, Row(row, event, told, quantity=not _in_quote(order)), WALLET)]

    # ------------------------------------------------------------------ answers

    def answer(self, event: Event) -> list[Message]:
        order = event.order
        if event.kind is Kind.REJECTED:
            refused = {"code": 11001, "msg": "TE_NO_ENOUGH_AVAILABLE_BALANCE", "data": None}
            return [w.answer(order, Row(refused))]
        if event.kind is Kind.ACCEPTED:
            if _is_spot(order):
                created = _spot_active(event) | {"ordStatus": "Created"}
            else:
                created = answered(event, "Created", "PendingNew")
            row = Row(_ok(created), event, quantity=not _in_quote(order))
        elif event.kind in (Kind.AMENDED, Kind.CANCELED) and not _is_spot(order):
            # The request is taken; the order is still as it was.
            before = order.events[order.events.index(event) - 1]
            asked = "PendingReplace" if event.kind is Kind.AMENDED else "PendingCancel"
            row = Row(_ok(answered(before, STATUSES[before.state.status], asked)))
        else:
            return []
        return [w.answer(order, row)]

    # ------------------------------------------------------------------ REST

    def query(self, event: Event) -> list[Message]:
        order = event.order
        is_open = event.state.status in ("NEW", "PARTIALLY_FILLED")
        if _is_spot(order):
            if event is order.last_told:
                listed, states = _spot_listed(event), not _in_quote(order)
                found = [w.rest(order, Row(listed, event, quantity=states), LIST)]
                if order.number % 2:
                    # The documentation's sample is without the client order id.
                    bare = {name: value for name, value in listed.items() if name != "clOrdID"}
                    found.append(w.rest(order, Row(bare), LIST))
                return found
            if not is_open or any(one.kind is Kind.AMENDED for one in order.events):
                return []  # an answer has no time: one that comes late would state an old quantity anew
            row = Row(_ok(_spot_active(event)), event, quantity=not _in_quote(order))
            return [w.rest(order, row)]
        if order.number % 4 == 0 and event.kind is not Kind.REJECTED:
            return [w.rest(order, Row(_coded(event), event), ROWS)]
        stated = answered(event, STATUSES[event.state.status], word(event))
        if is_open:
            return [w.rest(order, Row(stated, event), ROWS)]
        del stated["execStatus"]
        stated |= {"orderId": stated.pop("orderID"), "clOrdId": stated.pop("clOrdID")}
        return [w.rest(order, Row(stated, event), LIST)]

    def history(self, executions: Sequence[Execution]) -> list[Message]:
        found = []
        for spot, row, envelope in ((False, contract_trade, LIST), (True, _spot_trade, ROWS)):
            found += w.pages([e for e in executions if _is_spot(e.order) is spot], row, envelope)
        return found


def _is_spot(order: TruthOrder) -> bool:
    return order.listing.market == "spot"


def _in_quote(order: TruthOrder) -> bool:
    return _is_spot(order) and order.type == "market" and order.side == 1


def _type(order: TruthOrder) -> str:
    return "Market" if order.type == "market" else "Limit"


def _in_force(order: TruthOrder) -> str:
    return "GoodTillCancel" if order.type == "limit" else "ImmediateOrCancel"


def _limit(state: State, order: TruthOrder) -> Decimal:
    """A market order's is the worst price that it takes."""
    if state.limit is not None:
        return state.limit
    worst = order.listing.price * (Decimal("1.1") if order.side == 1 else Decimal("0.9"))
    return worst.quantize(order.listing.tick)


def _value(executions: Sequence[Execution]) -> Decimal:
    inverse = any(e.order.listing.is_inverse for e in executions)
    return sum((e.quantity / e.price if inverse else e.quantity * e.price for e in executions), Decimal(0))


def _filled(e: Execution) -> str:
    return "MakerFill" if e.is_maker else "TakerFill"


def word(event: Event) -> str:
    if event.execution is not None:
        return _filled(event.execution)
    words = {Kind.ACCEPTED: "New", Kind.AMENDED: "Replaced", Kind.CANCELED: "Canceled"}
    return words.get(event.kind, "CreateRejected")


def _fees(e: Execution | None, suffix: str = "Rv") -> Json:
    """A fee in PT stands in a field of its own; of nothing only the currency's name can tell."""
    scaled = suffix == "Ev"
    paid = Decimal(0) if e is None else e.fee
    shown = _scaled(paid) if scaled else text(paid)
    nothing: int | str = 0 if scaled else "0"
    in_points = e is not None and e.fee_currency == "PT"
    fees: Json = {
        f"execFee{suffix}": nothing if in_points else shown,
        f"ptFee{suffix}": shown if in_points else nothing,
    }
    if e is not None and in_points and not paid:
        fees["feeCurrency"] = "PT"
    return fees


# ---------------------------------------------------------------------- hedged contracts


def account_order(event: Event) -> Json:
    order, state, e = event.order, event.state, event.execution
    quantity = "0"
    if e is not None:
        quantity = text(e.quantity)
    elif event.kind is Kind.CANCELED:
        quantity = text(state.quantity - state.cumulative)  # what was canceled: no execution
    limit = _limit(state, order)
    return {
        "actionTimeNs": order.created - 4_620_694,
        "clOrdID": order.client_order_id,
        "code": 11001 if event.kind is Kind.REJECTED else 0,
        "cumFeeRv": text(state.fees.get("USDT")),
        "cumQty": text(state.cumulative),
        "cumValueRv": text(_value(state.executions)),
        "currency": "USDT",
        "execID": e.trade_id if e else NO_EXECUTION,
        # Stated where nothing was executed too.
        "execPriceRp": text(e.price if e else order.listing.price),
        "execQty": quantity,
        "execStatus": word(event),
        "leavesQty": text(state.leaves),
        "message": "TE_NO_ENOUGH_AVAILABLE_BALANCE" if event.kind is Kind.REJECTED else "No error",
        "ordStatus": STATUSES[state.status],
        "ordType": _type(order),
        "orderID": state.order_id,
        "orderQty": text(state.quantity),
        "posSide": ("Merged", "Long", "Short")[order.number % 3],
        "priceRp": text(limit),
        "side": SIDES[order.side],
        "symbol": order.listing.symbol,
        "timeInForce": _in_force(order),
        "tradeType": "Trade" if e else "Amend",
        "transactTimeNs": event.time,
    } | _fees(e)


def answered(event: Event, status: str, word: str) -> Json:
    """Answers to requests, the list of active orders, and an order by its id: no execution in them."""
    order, state = event.order, event.state
    return {
        "actionTimeNs": event.time,
        "bizError": 11001 if event.kind is Kind.REJECTED else 0,
        "clOrdID": order.client_order_id,
        "cumQtyRq": text(state.cumulative),
        "cumValueRv": text(_value(state.executions)),
        "execStatus": word,
        "leavesQtyRq": text(state.leaves),
        "ordStatus": status,
        "orderID": state.order_id,
        "orderQtyRq": text(state.quantity),
        "orderType": _type(order),
        "posSide": ("Merged", "Long", "Short")[order.number % 3],
        "priceRp": text(_limit(state, order)),
        "side": SIDES[order.side],
        "symbol": order.listing.symbol,
        "timeInForce": _in_force(order),
        "transactTimeNs": 0 if status == "Created" else event.time,
    }


def _coded(event: Event) -> Json:
    """The v2 list of orders: codes, other spellings, what was filled in `execQtyRq`, times in ms."""
    order, state = event.order, event.state
    last = state.executions[-1] if state.executions else None
    return {
        "createdAt": w.ms(order.created),
        "updatedAt": w.ms(event.time),
        "symbol": order.listing.symbol,
        "orderQtyRq": text(state.quantity),
        "side": order.side,
        "posSide": 3,
        "priceRp": text(_limit(state, order)),
        "execQtyRq": text(state.cumulative),
        "leavesQtyRq": text(state.leaves),
        "execPriceRp": text(last.price if last else None),
        "cumValueRv": text(_value(state.executions)),
        "execFeeRv": "0",
        "ordType": 1 if order.type == "market" else 2,
        "ordStatus": CODES[state.status],
        "clOrdId": order.client_order_id,
        "orderId": state.order_id,
        "execStatus": 7 if last else 5,
        "bizError": 0,
    }


def contract_trade(e: Execution) -> Json:
    order = e.order
    return {
        "transactTimeNs": e.time,
        "symbol": order.listing.symbol,
        "currency": "USDT",
        "posSide": ("Merged", "Long", "Short")[order.number % 3],
        "side": SIDES[e.side],
        "tradeType": "Trade",
        "execQtyRq": text(e.quantity),
        "execPriceRp": text(e.price),
        "ordType": _type(order),
        "execID": e.trade_id,
        "orderID": e.order_id,
        "clOrdID": order.client_order_id,
        "execStatus": _filled(e),
    } | _fees(e)


# ---------------------------------------------------------------------- spot


def _scaled(value: Decimal | None) -> int:
    """8 places; what a venue cannot show is cut off."""
    return int((value or Decimal(0)).scaleb(8))


def _average(state: State) -> int:
    return _scaled(Decimal(w.average_text(state.average, 8)))


def _asked(event: Event) -> Json:
    """In base, or for a market buy in quote."""
    order, quantity = event.order, event.state.quantity
    asks = _in_quote(order)
    return {
        "baseQtyEv": 0 if asks else _scaled(quantity),
        "quoteQtyEv": _scaled(quantity * order.listing.price) if asks else 0,
        "qtyType": "ByQuote" if asks else "ByBase",
    }


def _spot(event: Event) -> Json:
    order, state = event.order, event.state
    return _asked(event) | {
        "symbol": order.listing.symbol,
        "side": SIDES[order.side],
        "orderID": state.order_id,
        "clOrdID": order.client_order_id,
        "ordType": _type(order),
        "priceEp": _scaled(_limit(state, order)),
    }


def _spot_state(event: Event, unit: str = "Qty") -> Json:
    state = event.state
    rejected = event.kind is Kind.REJECTED
    return {
        "bizError": 11001 if rejected else 0,
        f"cumBase{unit}Ev": _scaled(state.cumulative),
        f"cumQuote{unit}Ev": _scaled(_value(state.executions)),
        "leavesBaseQtyEv": _scaled(state.leaves),
        "ordStatus": STATUSES[state.status],
        "timeInForce": _in_force(event.order),
        "feeCurrency": state.executions[-1].fee_currency if state.executions else event.order.listing.base,
        "cumFeeEv": _scaled(sum((e.fee for e in state.executions), Decimal(0))),
    }


def _currencies(event: Event) -> Json:
    return {"baseCurrency": event.order.listing.base, "quoteCurrency": event.order.listing.quote}


def _wallet_order(event: Event) -> Json:
    times = {"createTimeNs": str(event.order.created), "transactTimeNs": str(event.time), "triggerTimeNs": 0}
    more: Json = {
        "avgPriceEp": _average(event.state),
        "tradeType": "Trade",
    }
    return _spot(event) | _spot_state(event) | _currencies(event) | times | more | {"userID": 2647224}


def _executed(e: Execution) -> Json:
    return {
        "execBaseQtyEv": _scaled(e.quantity),
        "execPriceEp": _scaled(e.price),
        "execQuoteQtyEv": _scaled(e.quantity * e.price),
        "feeCurrency": e.order.listing.base if e.fee_currency == "PT" else e.fee_currency,
        "tradeType": "Trade",
    } | _fees(e, "Ev")


def _wallet_fill(event: Event, e: Execution) -> Json:
    return (
        _spot(event)
        | _currencies(event)
        | _executed(e)
        | {
            "action": "New",
            "avgPriceEp": _average(event.state),
            "execID": e.trade_id,
            "lastLiquidityInd": "AddedLiquidity" if e.is_maker else "RemovedLiquidity",
            "transactTimeNs": str(e.time),
            "userID": 2647224,
        }
    )


def _spot_active(event: Event) -> Json:
    """An open order, and in the same form the answer to its placement: no time but our own."""
    more: Json = {"action": "New", "avgPriceEp": _average(event.state), "trigger": "UNSPECIFIED"}
    return _spot(event) | _spot_state(event) | more


def _spot_listed(event: Event) -> Json:
    row = _spot(event) | _spot_state(event, "Value")
    del row["bizError"]
    return row | {
        "avgPriceEp": _average(event.state),
        "avgTransactPriceEp": _average(event.state),
        "baseQtyEv": str(row["baseQtyEv"]),
        "createTimeNs": event.order.created,
        "execStatus": word(event),
    }


def _spot_trade(e: Execution) -> Json:
    """A trade has the order's status at that moment beside it, and no cumulative figures."""
    order = e.order
    event = next(event for event in order.events if event.execution is e)
    row = _spot(event) | _currencies(event) | _executed(e)
    row["priceEP"] = row.pop("priceEp")
    return row | {
        "transactTimeNs": e.time,
        "execStatus": _filled(e),
        "ordStatus": STATUSES[event.state.status],
        "timeInForce": _in_force(order),
        "execId": e.trade_id,
        "leavesBaseQtyEv": _scaled(event.state.leaves),
    }
