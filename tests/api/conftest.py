"""Clients and customers of several modules: whose changes are held, who erases and whom, who manages webhooks."""

import pytest
from flask import Flask

from app.access.api_tokens import SCOPES, create_token
from app.core.changes.document_ids import rename_customer
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.erasure import PERSON
from tests.support.held_changes import IDS, token


@pytest.fixture
def holding(app: Flask, shell: Shell) -> Api:
    """A token that may empty 20 % of the customers sent, and holds what is more; ten customers have GOLD."""
    add_customers(*IDS)
    for id_ in IDS:
        set_segments(id_, GOLD)
    return token(app, shell, "--guard-percent", "20", "--guard-action", "hold")


@pytest.fixture
def eraser(app: Flask) -> Api:
    return Api(app.test_client(), create_token("eraser", SCOPES))


@pytest.fixture
def person(eraser: Api) -> str:
    """A customer with a past under two ids, changed together with another one."""
    second = {"document_id": "other", "name": "Other"}
    eraser.call("POST", "/api/v3/customers", json={"customers": [PERSON, second]})
    eraser.call("POST", "/api/v3/customers", json={"customers": [{**PERSON, "name": "Perpetua Q."}]})
    for segments in (GOLD, SILVER):
        eraser.replace([{"document_id": id_, "segments": segments} for id_ in ("erase-me-77", "other")])
    rename_customer("erase-me-77", "new-id-78", TESTER)
    eraser.replace([{"document_id": id_, "segments": GOLD} for id_ in ("new-id-78", "other")])
    return "new-id-78"


@pytest.fixture
def hooks(app: Flask) -> Api:
    """A client whose token manages webhooks."""
    return api_with(app, create_token("hooks", ("webhooks:write",)))
