"""Reading what changed: change sets, timelines, the change feed, and how long all of it is retained."""
