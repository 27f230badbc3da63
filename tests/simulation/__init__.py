"""The proof by simulation: venues' days with their truth beside them, and everything that goes wrong."""
