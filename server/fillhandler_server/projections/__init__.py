"""Read models folded from the journal: orders, fills, statistics. They can be dropped and rebuilt."""
