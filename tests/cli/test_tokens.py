"""flask tokens create --type: a token that is limited to segment types (contract §8)."""

import pytest
from flask import Flask

from app.access.api_tokens import list_tokens
from tests.support.clients import Shell, api_with
from tests.support.customers import GOLD, all_segments, set_segments

WINE = {"type": "interest", "value": "WINE"}


def test_type_limits_the_token_and_is_repeatable(app: Flask, shell: Shell, ana: str) -> None:
    output = shell("tokens", "create", "crm", "--type", "membership", "--type", "region").stdout
    (token,) = list_tokens()
    assert token.types == ["membership", "region"]
    set_segments(ana, [WINE])
    api = api_with(app, output.splitlines()[-1])
    assert api.updated([{"document_id": ana, "segments": GOLD}]) == [ana]
    assert all_segments() == {ana: [WINE, *GOLD]}


def test_token_without_type_is_not_limited(app: Flask, shell: Shell, ana: str) -> None:
    api = api_with(app, shell("tokens", "create", "crm").stdout.splitlines()[-1])
    set_segments(ana, [WINE])
    api.updated([{"document_id": ana, "segments": GOLD}])
    assert all_segments() == {ana: GOLD}


@pytest.mark.parametrize("type_", ["", " ", " membership", "two\nlines", "\udc80"])
def test_invalid_type_creates_no_token(app: Flask, shell: Shell, type_: str) -> None:
    shell("tokens", "create", "crm", "--type", type_, exit_code=2)
    assert list_tokens() == []


def test_too_many_types_create_no_token(app: Flask, shell: Shell) -> None:
    result = shell("tokens", "create", "crm", *(f"--type=t{n}" for n in range(51)), exit_code=2)
    assert "at most 50" in result.stderr
    assert list_tokens() == []
