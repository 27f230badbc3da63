"""ExecutionService: the venues. Trades come later."""

from __future__ import annotations

from fillhandler.calls.base import Calls
from fillhandler.v1 import execution_service_pb2


class ExecutionCalls(Calls):
    """What ExecutionService offers."""

    async def list_venues(
        self, *, venue: str = "", timeout_seconds: float | None = None
    ) -> list[execution_service_pb2.Venue]:
        """The venues whose payloads the server understands, by name, each with its kinds of payloads."""
        request = execution_service_pb2.ListVenuesRequest(venue=venue)
        answer = await self._connection.call(self._connection.execution.ListVenues, request, timeout_seconds)
        return list(answer.venues)
