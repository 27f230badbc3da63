"""Binance's protocol over the markets: parameters, signatures, answers, events, errors. Pure."""
