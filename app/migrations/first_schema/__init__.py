"""The tables of the first schema. These modules never change: later revisions alter what they create."""
