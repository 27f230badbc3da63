"""The rules of fills and orders: pure, exact, standard library only."""
