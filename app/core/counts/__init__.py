"""How many customers there are, and how many have each segment: ledgers of deltas, their sums and their compaction."""
