"""What reaches out to venues. ccxt is imported here only, and only where it is needed: it takes seconds."""
