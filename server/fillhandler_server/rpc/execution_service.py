"""ExecutionService: the venues. Trades come later."""

from __future__ import annotations

from typing import Any

from fillhandler.v1 import execution_service_pb2 as pb
from fillhandler_server import venues


class ExecutionService:
    """Convert → call → convert."""

    async def ListVenues(self, request: pb.ListVenuesRequest, context: Any) -> pb.ListVenuesResponse:
        """The venues whose payloads are understood; a venue that is not known gives none."""
        wanted = request.venue.lower()
        return pb.ListVenuesResponse(
            venues=[
                pb.Venue(
                    name=venue.name, title=venue.title, payload_kinds=[kind.name for kind in venue.kinds]
                )
                for venue in venues.listed()
                if wanted in ("", venue.name)
            ]
        )
