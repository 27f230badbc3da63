"""The markets themselves: books, orders, wallets, matching. Pure: the time and the chance are handed in."""
