"""GET the segments of one customer: the gateway, and by id in the path (contract §3)."""

from urllib.parse import quote

import pytest

from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, set_segments

GATEWAY = "/api/customers/segments"


def by_path(document_id: str) -> str:
    return f"/api/v3/customers/{quote(document_id, safe='')}/segments"


def test_reads_the_segments_of_a_customer(api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    assert api.get(f"{GATEWAY}?document_id={ana}").json == {"segments": GOLD}
    assert api.get(f"{GATEWAY}?email=ana@example.com").json == {"segments": GOLD}
    assert api.get(by_path(ana)).json == {"segments": GOLD}


def test_a_customer_without_segments_has_an_empty_list(api: Api, ana: str) -> None:
    assert api.get(by_path(ana)).json == {"segments": []}


@pytest.mark.parametrize("email", ["ana@example.com", "ANA@EXAMPLE.COM", "Ana@Example.com"])
def test_compares_emails_without_regard_to_case(api: Api, ana: str, email: str) -> None:
    api.get(f"{GATEWAY}?email={email}")


def test_finds_a_changed_email_and_not_the_old_one(api: Api, ana: str) -> None:
    add_customers(ana, email="new@example.com")
    api.get(f"{GATEWAY}?email=new@example.com")
    api.get(f"{GATEWAY}?email=ana@example.com", status=404, code="CUSTOMER_NOT_FOUND")


def test_refuses_an_email_that_several_have(api: Api, ana: str) -> None:
    add_customers("another", email="ANA@example.com")
    api.get(f"{GATEWAY}?email=ana@example.com", status=409, code="AMBIGUOUS_EMAIL")


@pytest.mark.parametrize(
    "query",
    [
        "document_id=nobody",
        "email=nobody@example.com",
        "document_id=",
        "email=",
        "document_id=%00",
        "email=%00",
        "document_id=%ff",
        "email=%ff",
        "document_id=" + "9" * 10000,
    ],
)
def test_unknown_customers_are_not_found(api: Api, ana: str, query: str) -> None:
    api.get(f"{GATEWAY}?{query}", status=404, code="CUSTOMER_NOT_FOUND")


@pytest.mark.parametrize("query", ["", "?document_id=1&email=a@b.c", "?documentId=1"])
def test_gateway_needs_document_id_or_email(api: Api, query: str) -> None:
    api.get(f"{GATEWAY}{query}", status=400, code="VALIDATION_ERROR")


@pytest.mark.parametrize(
    "document_id",
    [
        "a/b",
        "/",
        "//a//",
        "a/segments",
        "segments",
        "a b",
        " ",
        "100%",
        "%2F",
        "'\"",
        "..",
        ".",
        "?#&=",
        "\\",
        "😀",
        "a\nb",
        "x" * 512,
    ],
)
def test_any_id_can_stand_in_the_path(api: Api, document_id: str) -> None:
    add_customers(document_id)
    set_segments(document_id, GOLD)
    assert api.get(by_path(document_id)).json == {"segments": GOLD}
    assert api.get(f"{GATEWAY}?document_id={quote(document_id, safe='')}").json == {"segments": GOLD}


@pytest.mark.parametrize("document_id", ["nobody", "\0", "\x7f", "é" * 5_000])
def test_unknown_ids_in_the_path_are_not_found(api: Api, document_id: str) -> None:
    api.get(by_path(document_id), status=404, code="CUSTOMER_NOT_FOUND")


def test_the_etag_changes_with_the_segments_and_only_then(api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    etag = api.get(by_path(ana)).headers["ETag"]
    unchanged = api.get(by_path(ana), status=304, headers={"If-None-Match": etag})
    assert unchanged.data == b""
    set_segments(ana, SILVER)
    assert api.get(by_path(ana), headers={"If-None-Match": etag}).json == {"segments": SILVER}
