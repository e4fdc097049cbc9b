"""A bulk edit beside writers: a sample of what `python -m tests.torture.bulk_edit_race` runs at length."""

from flask import Flask

from tests.torture.bulk_edit_race import race


def test_bulk_edit_changes_only_the_previewed_and_loses_no_write(app: Flask) -> None:
    assert race(app, seed=1, customers=200, writers=6, edits=4) == []
