"""Numbers of customers, in total and per segment: ledgers of deltas, their sums and their compaction."""
