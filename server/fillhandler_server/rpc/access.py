"""Who may call what: one deny-by-default table over every RPC, and the tokens."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from fillhandler_server.domain.errors import PermissionDeniedError, UnauthenticatedError


class Role(IntEnum):
    """What a token may do. OPEN needs none."""

    OPEN = 0
    READ = 1
    RECORD = 2
    TRADE = 3
    ADMIN = 4


ACCESS: Final[Mapping[str, Role]] = {
    "/fillhandler.v1.FillService/RecordFill": Role.RECORD,
    "/fillhandler.v1.FillService/RecordFills": Role.RECORD,
    "/fillhandler.v1.FillService/ProcessPayload": Role.RECORD,
    "/fillhandler.v1.FillService/ProcessPayloads": Role.RECORD,
    "/fillhandler.v1.FillService/GetFill": Role.READ,
    "/fillhandler.v1.FillService/ListFills": Role.READ,
    "/fillhandler.v1.FillService/BustFill": Role.RECORD,
    "/fillhandler.v1.FillService/CorrectFill": Role.RECORD,
    "/fillhandler.v1.OrderService/RegisterOrder": Role.RECORD,
    "/fillhandler.v1.OrderService/ReportOrder": Role.RECORD,
    "/fillhandler.v1.OrderService/GetOrder": Role.READ,
    "/fillhandler.v1.OrderService/ListOrders": Role.READ,
    "/fillhandler.v1.OrderService/ClearOrders": Role.RECORD,
    "/fillhandler.v1.OrderService/ListAnomalies": Role.READ,
    "/fillhandler.v1.FeedService/WatchEvents": Role.READ,
    "/fillhandler.v1.ExecutionService/ExecuteTrade": Role.TRADE,
    "/fillhandler.v1.ExecutionService/CancelTrade": Role.TRADE,
    "/fillhandler.v1.ExecutionService/GetTrade": Role.READ,
    "/fillhandler.v1.ExecutionService/ListTrades": Role.READ,
    "/fillhandler.v1.ExecutionService/ListRetries": Role.READ,
    "/fillhandler.v1.ExecutionService/ListVenues": Role.READ,
    "/fillhandler.v1.InstrumentService/ListInstruments": Role.READ,
    # A wrong scale makes every later price wrong, and no fill can be recorded anew: not for whoever records.
    "/fillhandler.v1.InstrumentService/ImportInstruments": Role.ADMIN,
    "/fillhandler.v1.StateService/ExportState": Role.ADMIN,
    "/fillhandler.v1.StateService/ImportState": Role.ADMIN,
    "/fillhandler.v1.StateService/VerifyJournal": Role.READ,
    "/fillhandler.v1.StateService/GetServerStatus": Role.READ,
    "/fillhandler.v1.AnalyticsService/GetFillStatistics": Role.READ,
    "/fillhandler.v1.AnalyticsService/AnalyzePerformance": Role.READ,
    "/fillhandler.v1.AnalyticsService/AnalyzeFees": Role.READ,
    # Probes send no headers; Watch would hold a stream open for anybody.
    "/grpc.health.v1.Health/Check": Role.OPEN,
    "/grpc.health.v1.Health/Watch": Role.READ,
    "/grpc.health.v1.Health/List": Role.READ,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": Role.READ,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.READ,
}
"""A method that is not here is refused to everybody; a test compares this with the served methods."""

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer "
TOKEN_BYTES: Final = 32


def new_token() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What the store keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Gate:
    """Decides over every call."""

    def __init__(self, tokens: Mapping[str, Role]) -> None:
        """
        Args:
            tokens: hash of a token → its role.
        """
        self._tokens = dict(tokens)

    def admit(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """
        Raises:
            UnauthenticatedError: no token, two of them, or an unknown one.
            PermissionDeniedError: the token's role does not allow the method.
        """
        needed = ACCESS.get(method)
        if needed is Role.OPEN:
            return
        role = self._role(metadata)
        # A method that is not in the table: only who may do everything learns that it is not there.
        if role < (Role.ADMIN if needed is None else needed):
            raise PermissionDeniedError(f"the token's role does not allow {method}", method=method)

    def _role(self, metadata: Iterable[tuple[str, str | bytes]]) -> Role:
        headers = [value for key, value in metadata if key == _HEADER]
        if not headers:
            raise UnauthenticatedError(
                "a token is needed: send it as 'authorization: Bearer TOKEN'"
                " (DATA_DIR/token, FILLHANDLER_TOKEN or --token-file)"
            )
        header = headers[0]
        if len(headers) > 1 or not isinstance(header, str) or header[:7].lower() != _SCHEME:
            raise UnauthenticatedError("send one header 'authorization: Bearer TOKEN'")
        offered = token_hash(header[7:].strip())
        for known, role in self._tokens.items():
            if hmac.compare_digest(offered, known):
                return role
        raise UnauthenticatedError("the token is not known to this server")
