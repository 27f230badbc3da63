"""Where ccxt's `binance` finds the simulated exchange."""

from __future__ import annotations

from typing import Any


def ccxt_urls(base_url: str) -> dict[str, Any]:
    """`urls["api"]` of ccxt's binance (and binanceusdm) for an exchange at a base address.

        client.urls["api"] = ccxt_urls(base_url)

    Only what the exchange serves is there, so that no request leaves for anywhere else.
    """
    socket = base_url.replace("http", "ws", 1)
    return {
        "public": f"{base_url}/api/v3",
        "private": f"{base_url}/api/v3",
        "sapi": f"{base_url}/sapi/v1",
        "dapiPublic": f"{base_url}/dapi/v1",
        "fapiPublic": f"{base_url}/fapi/v1",
        "fapiPublicV2": f"{base_url}/fapi/v2",
        "fapiPublicV3": f"{base_url}/fapi/v3",
        "fapiPrivate": f"{base_url}/fapi/v1",
        "fapiPrivateV2": f"{base_url}/fapi/v2",
        "fapiPrivateV3": f"{base_url}/fapi/v3",
        "ws": {
            "spot": f"{socket}/ws",
            "linear": f"{socket}/ws",
            "ws-api": {"spot": f"{socket}/ws-api/v3"},
        },
    }
