"""Work that continues after its request: imports and bulk edits, run by a worker under a lease."""
