"""A client whose changes are held."""

import pytest
from flask import Flask

from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.held_changes import IDS, token


@pytest.fixture
def holding(app: Flask, shell: Shell) -> Api:
    """A token that may empty 20 % of the customers sent, and holds what is more; ten customers have GOLD."""
    add_customers(*IDS)
    for id_ in IDS:
        set_segments(id_, GOLD)
    return token(app, shell, "--guard-percent", "20", "--guard-action", "hold")
