"""Mirrors equal the service: a sample of what `python -m tests.torture.mirror` runs at length."""

from flask import Flask

from tests.torture.mirror import run


def test_mirrors_equal_the_service_whatever_happens(app: Flask) -> None:
    assert run(app, seed=1, operations=300, prune_every=100) == []
