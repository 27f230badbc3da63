"""A simulated exchange in Binance's spot and USD-M protocol, with faults to order.

It is a program of its own, `fillhandler exchange`, and runs inside a test's event loop too. Nothing of the
service imports it: it is reached as a real exchange is, over HTTP and WebSockets. What it does is in
docs/simulated-exchange.md.
"""

from fillhandler_server.exchange.binance.signing import Credentials
from fillhandler_server.exchange.ccxt_urls import ccxt_urls
from fillhandler_server.exchange.faults import FAULTS, FaultError, FaultPlan, FaultSettings, Operation
from fillhandler_server.exchange.server import ListenError, SimulatedExchange

__all__ = [
    "FAULTS",
    "Credentials",
    "FaultError",
    "FaultPlan",
    "FaultSettings",
    "ListenError",
    "Operation",
    "SimulatedExchange",
    "ccxt_urls",
]
