"""Benchmarks: the service beside the bare SQL statement and beside peers, measured in one run."""
