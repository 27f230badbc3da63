"""Messages to domain objects, checked, and domain objects to messages.

Requests are checked field by field; every violation of a message is reported at once (`checking`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillhandler.v1 import fill_service_pb2, fills_pb2, orders_pb2
from fillhandler_server import venues
from fillhandler_server.codec import contract_message, fill_to_message, to_timestamp
from fillhandler_server.domain.errors import FillHandlerError, InvalidFieldError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.domain.fills import MAIN_ACCOUNT, ContractKind, Fill, FillState, derived_trade_id
from fillhandler_server.domain.instruments import Instrument, Instruments
from fillhandler_server.domain.numbers import EXACT, SHOWN, canonical
from fillhandler_server.domain.orders import Order
from fillhandler_server.domain.reports import OrderReport, Skipped
from fillhandler_server.rpc.checking import ID_LENGTH_MAX, Checker

METADATA_MAX: Final = 64
METADATA_BYTES_MAX: Final = 8 * 1024
_SPOT_KINDS: Final = (ContractKind.UNSPECIFIED, ContractKind.SPOT)
_LINEAR_IN_BASE: Final = frozenset(venue.name for venue in venues.listed() if venue.linear_in_base)


# ---------------------------------------------------------------------- fills in


def fill_from_request(message: fills_pb2.Fill, path: str = "fill") -> Fill:
    """A fill from a request, checked and made canonical.

    Raises:
        InvalidFieldError: with every violation.
    """
    check = Checker(path)
    fill = _fill(message, check, need_trade_id=False)
    quantity = check.number("quantity", message.quantity) if message.quantity else None
    if not message.quantity:
        check.wrong("quantity", "is required")
    elif quantity is not None and quantity <= 0:
        check.wrong("quantity", "must be above 0")
    check.done()
    if quantity is not None:
        fill.quantity = quantity
    if not fill.trade_id:
        fill.trade_id = derived_trade_id(fill)
        fill.trade_id_derived = True
    return fill


def _fill(message: fills_pb2.Fill, check: Checker, *, need_trade_id: bool) -> Fill:
    kind, multiplier = check.contract(message)
    return Fill(
        venue=check.venue("venue", message.venue),
        account=check.identifier("account", message.account) or MAIN_ACCOUNT,
        market=check.market(message.market),
        symbol=check.identifier("symbol", message.symbol, required=True),
        order_id=check.identifier("order_id", message.order_id),
        client_order_id=check.identifier("client_order_id", message.client_order_id),
        trade_id=check.identifier("trade_id", message.trade_id, required=need_trade_id),
        leg=check.identifier("leg", message.leg),
        side=check.enum("side", message.side, 2, required=True),
        quantity=Decimal(0),
        price=check.optional_number(message, "price"),
        fees=_fees(message, check),
        liquidity=check.enum("liquidity", message.liquidity, 2),
        trade_time=check.time(message, "trade_time"),
        receive_time=check.time(message, "receive_time"),
        contract_kind=kind,
        multiplier=multiplier,
        metadata=_metadata(message, check),
        base_currency=check.currency("base_currency", message.base_currency),
        quote_currency=check.currency("quote_currency", message.quote_currency),
    )


def _fees(message: fills_pb2.Fill, check: Checker) -> tuple[tuple[str, Decimal], ...]:
    fees: dict[str, Decimal] = {}
    for at, fee in enumerate(message.fees):
        currency = check.currency(f"fees[{at}].currency", fee.currency, required=True)
        amount = check.number(f"fees[{at}].amount", fee.amount)
        if currency in fees:
            check.wrong(f"fees[{at}].currency", f"{currency} occurs twice; add them up")
        if amount is not None:
            fees[currency] = amount
    return tuple(sorted(fees.items()))


def _metadata(message: fills_pb2.Fill, check: Checker) -> dict[str, str]:
    metadata = dict(message.metadata)
    size = sum(len(key) + len(value) for key, value in metadata.items())
    if len(metadata) > METADATA_MAX or size > METADATA_BYTES_MAX:
        check.wrong("metadata", f"may hold {METADATA_MAX} entries of {METADATA_BYTES_MAX} characters in all")
    return metadata


def identity_from_request(message: fills_pb2.FillIdentity, path: str = "identity") -> Fill:
    """A fill of which only the identity is read.

    Raises:
        InvalidFieldError: with every violation.
    """
    check = Checker(path)
    fill = Fill(
        venue=check.venue("venue", message.venue),
        account=check.identifier("account", message.account) or MAIN_ACCOUNT,
        market=check.market(message.market),
        symbol=check.identifier("symbol", message.symbol, required=True),
        order_id=check.identifier("order_id", message.order_id),
        trade_id=check.identifier("trade_id", message.trade_id, required=True),
        leg=check.identifier("leg", message.leg),
        side=check.enum("side", message.side, 2, required=True),
        quantity=Decimal(0),
    )
    check.done()
    return fill


def correction_from_request(request: fill_service_pb2.CorrectFillRequest) -> tuple[Fill, Fill]:
    """The identity and the correction, whose empty identity fields are the corrected fill's.

    Raises:
        InvalidFieldError: with every violation of one of them.
    """
    identity = identity_from_request(request.identity)
    message = fills_pb2.Fill()
    message.CopyFrom(request.fill)
    if not message.trade_id:
        raise InvalidFieldError.of("fill.trade_id", "is required: the correction's own new id")
    for name in ("venue", "account", "market", "symbol", "order_id", "leg"):
        if not getattr(message, name):
            setattr(message, name, getattr(identity, name))
    if not message.side:
        message.side = identity.side  # type: ignore[assignment]
    fill = fill_from_request(message)
    for name in ("venue", "account", "symbol", "order_id", "side"):
        if getattr(fill, name) != getattr(identity, name):
            raise InvalidFieldError.of(f"fill.{name}", "must be the corrected fill's, or empty")
    return identity, fill


def known_contract(fill: Fill, instruments: Instruments) -> Instrument | None:
    """What the table says of the contract of a fill's symbol; None where it says nothing, or spot, which is
    what a fill counts as anyway.
    """
    known = instruments.find(fill.venue, fill.symbol, fill.market)
    if known is None or (known.kind in _SPOT_KINDS and known.multiplier is None):
        return None
    return known


def completed(fill: Fill, instruments: Instruments) -> Fill:
    """The fill of a request that does not state its contract, with the one that the table knows.

    Its market stays as it was stated, because that is a part of its identity.
    """
    if fill.contract_kind or fill.multiplier is not None:
        return fill
    known = known_contract(fill, instruments)
    if known is not None:
        fill.contract_kind, fill.multiplier = known.kind, known.multiplier
        if not fill.base_currency and not fill.quote_currency:
            fill.base_currency, fill.quote_currency = known.base, known.quote
    return fill


# ---------------------------------------------------------------------- orders in


def report_from_request(message: orders_pb2.Order, *, registration: bool) -> OrderReport:
    """A registration or a venue's report from a request, checked.

    Raises:
        InvalidFieldError: with every violation.
    """
    check = Checker("order")
    kind, multiplier = check.contract(message)
    report = OrderReport(
        venue=check.venue("venue", message.venue),
        account=check.identifier("account", message.account) or MAIN_ACCOUNT,
        market=check.market(message.market),
        symbol=check.identifier("symbol", message.symbol, required=registration),
        order_id=check.identifier("order_id", message.order_id),
        client_order_id=check.identifier("client_order_id", message.client_order_id),
        previous_order_id=check.identifier("previous_order_id", message.previous_order_id),
        side=check.enum("side", message.side, 2, required=registration),
        type=check.identifier("type", message.type).lower(),
        status=check.enum("status", message.status, 10, required=not registration),
        order_quantity=_positive(check, message, "order_quantity"),
        limit_price=check.optional_number(message, "limit_price"),
        expected_price=check.optional_number(message, "expected_price"),
        create_time=check.time(message, "create_time"),
        time=check.time(message, "update_time"),
        contract_kind=kind,
        multiplier=multiplier,
        base_currency=check.currency("base_currency", message.base_currency),
        quote_currency=check.currency("quote_currency", message.quote_currency),
        reason=check.identifier("reason", message.reason[:ID_LENGTH_MAX]),
    )
    if not report.order_id and not report.client_order_id:
        check.wrong("order_id", "is required, or client_order_id")
    if registration:
        report.status, report.time = int(orders_pb2.ORDER_STATUS_PENDING_NEW), None
        if report.order_quantity is None and not message.HasField("order_quantity"):
            check.wrong("order_quantity", "is required")
    else:
        report.cumulative_quantity = check.optional_number(message, "cumulative_quantity")
        if report.cumulative_quantity is not None and report.cumulative_quantity < 0:
            check.wrong("cumulative_quantity", "must not be negative")
        report.average_price = _average(check, message)
    check.done()
    return report


def _average(check: Checker, message: orders_pb2.Order) -> Decimal | None:
    # An average that we served may come back: 28 significant digits, more than the grammar's 18 places.
    if not message.HasField("average_price"):
        return None
    whole, _, places = message.average_price.partition(".")
    if len(places) > 18 and len(places) <= 40 and places.isascii() and places.isdecimal():
        places = places[:18]
    return check.number("average_price", f"{whole}.{places}" if places else whole)


def _positive(check: Checker, message: orders_pb2.Order, name: str) -> Decimal | None:
    value = check.optional_number(message, name)
    if value is not None and value <= 0:
        check.wrong(name, "must be above 0")
    return value


# ---------------------------------------------------------------------- out


def fill_message(
    fill: Fill, order: Order | None = None, *, state: int = FillState.STANDING, sequence: int = 0
) -> fills_pb2.Fill:
    """A fill as it is served: with its state, its sequence, and what its order knows by now."""
    message = fill_to_message(fill)
    message.state = state  # type: ignore[assignment]
    message.sequence = sequence
    if order is not None:
        message.market = message.market or order.market
        message.order_id = message.order_id or order.order_id
        message.client_order_id = message.client_order_id or order.client_order_id
    return message


def order_message(order: Order) -> orders_pb2.Order:
    """An order as it is served."""
    text = _text
    message = orders_pb2.Order(
        venue=order.venue,
        account=order.account,
        market=order.market,
        symbol=order.symbol,
        order_id=order.order_id,
        order_ids=order.order_ids,
        previous_order_id=order.previous_order_id,
        client_order_id=order.client_order_id,
        side=order.side,  # type: ignore[arg-type]
        type=order.type,
        status=order.status,  # type: ignore[arg-type]
        order_quantity=text(order.order_quantity),
        cumulative_quantity=canonical(order.cumulative),
        leaves_quantity=text(order.leaves),
        overfill_quantity=canonical(order.overfill),
        net_quantity=text(order.net_quantity),
        limit_price=text(order.limit_price),
        expected_price=text(order.expected_price),
        average_price=text(order.average),
        cumulative_notional=canonical(order.cumulative_notional),
        notional_currency=order.notional_currency,
        reported_cumulative_quantity=text(order.reported_cumulative),
        reported_average_price=text(order.reported_average),
        fees=[
            fills_pb2.Fee(amount=canonical(Decimal(entry[0])), currency=currency)
            for currency, entry in sorted(order.fees.items())
        ],
        fill_count=order.fill_count,
        retry_count=order.retry_count,
        registered=bool(order.registered),
        update_time=to_timestamp(order.update_time),
        sequence=order.sequence,
        base_currency=order.base_currency,
        quote_currency=order.quote_currency,
        order_number=order.number,
        fill_percentage=fill_percentage(order),
        base_quantity=text(base_quantity(order)),
        inferred_quantity=text(order.inferred_quantity if order.inferred_sequence else None),
    )
    for name in ("create_time", "first_fill_time", "last_fill_time", "complete_time"):
        moment = getattr(order, name)
        if moment is not None:
            getattr(message, name).CopyFrom(to_timestamp(moment))
    if order.contract_kind or order.multiplier is not None:
        message.contract.CopyFrom(contract_message(order.contract_kind, order.multiplier))
    return message


def _text(value: Decimal | None) -> str | None:
    return None if value is None else canonical(value)


def base_quantity(order: Order) -> Decimal | None:
    """The cumulative quantity in units of the base currency; None where they are not known for certain.

    Spot, and where no kind and no other market is stated: the quantity is in base. Linear: times the
    multiplier; without one, only where the venue counts all its linear contracts in base. Inverse:
    Σ(q·multiplier/p), so every fill has to have a price. Options: not known.
    """
    multiplier = order.multiplier
    if order.contract_kind == ContractKind.INVERSE:
        if multiplier is None or order.inverse_quantity != order.cumulative:
            return None
        return EXACT.multiply(order.inverse_notional, multiplier)
    if multiplier is None:
        in_base = (
            order.venue in _LINEAR_IN_BASE
            if order.contract_kind == ContractKind.LINEAR
            else order.market in ("", "spot")
        )
        return order.cumulative if in_base else None
    if order.contract_kind not in _SPOT_KINDS or order.market in ("", "spot"):
        return EXACT.multiply(order.cumulative, multiplier)
    return None


def fill_percentage(order: Order) -> str | None:
    """Cumulative by ordered quantity in percent, two places, rounded down so that 100 means all."""
    if order.order_quantity is None:
        return None
    share = SHOWN.divide(order.cumulative * 100, order.order_quantity)
    return canonical(share.quantize(Decimal("0.01"), rounding="ROUND_DOWN"))


def skipped_message(skipped: Skipped) -> fill_service_pb2.SkippedEntry:
    """A skipped part of a payload."""
    return fill_service_pb2.SkippedEntry(kind=skipped.kind, reason=skipped.reason, count=skipped.count)


def entry_error(error: FillHandlerError) -> fill_service_pb2.EntryError:
    """Why an entry of a batch was refused."""
    field = error.violations[0].field if isinstance(error, InvalidFieldError) else ""
    return fill_service_pb2.EntryError(reason=error.reason, field=field, text=error.text)


def outcome_number(outcome: Outcome) -> Any:
    """An outcome as its enum's number."""
    return int(outcome)


def page_size(value: int) -> int:
    """How many entries a page may hold.

    Raises:
        InvalidFieldError: it is negative.
    """
    if value < 0:
        raise InvalidFieldError.of("page_size", "must not be negative; 0 means 100")
    return min(value or 100, 1000)
