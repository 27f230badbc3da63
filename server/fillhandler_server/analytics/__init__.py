"""Figures from sums: pure functions of what projections kept."""
