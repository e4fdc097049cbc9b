"""/webhooks: add, watch, pause, rotate and delete. For admins."""

import pytest
from flask import Flask

from app.background import deliver_webhooks
from app.core.limits import MAX_TOKEN_TYPES
from app.webhooks.models import list_webhooks
from tests.support.customers import GOLD, set_segments
from tests.support.html_client import HtmlClient, HtmlPage
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import NEVER_STOPS, add_webhook, deliver, end_retry_delay, is_authentic


def added(admin: HtmlClient, receiver: Receiver) -> HtmlPage:
    return HtmlPage(admin.post("/webhooks", {"url": f" {receiver.url} "}, status=200).text)


def secret_in(page: HtmlPage) -> str:
    return next(word for word in page.text.split() if word.startswith("whsec_"))


def test_secret_is_shown_once_and_verifies_messages(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    assert "No webhooks yet" in admin.get("/webhooks").text
    secret = secret_in(added(admin, receiver))
    assert "No deliveries yet" in admin.get("/webhooks").text
    set_segments(ana, GOLD)
    deliver()
    assert is_authentic(secret, receiver.received[0])
    assert "Last delivery just now Delivered" in admin.get("/webhooks").text
    page = admin.get(admin.get("/webhooks").links[receiver.url])
    assert "204 No Content" in page.text
    assert page.links["#1"] == "/changes/1"
    for url in ("/webhooks", "/webhooks/1", "/webhooks/1/rotate"):
        assert secret not in admin.get(url).html


def test_failed_delivery_is_shown_and_can_be_sent_now(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    receiver.answers = [500]
    set_segments(ana, GOLD)
    set_segments(ana, [])
    deliver()
    page = admin.get("/webhooks/1")
    for text in ("Retrying", "500 Internal Server Error", "next retry", "Pending deliveries 1", "Send now"):
        assert text in page.text
    assert "Retrying" in admin.get("/webhooks").text
    assert "Queued" in admin.submit("/webhooks/1/deliveries/1/resend").text
    deliver()
    assert receiver.accepted() == ["1", "2"]
    admin.submit("/webhooks/1/deliveries/1/resend")
    deliver()
    assert receiver.accepted() == ["1", "2", "1"]


def test_pause_and_resume(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    assert "Changes will be delivered when you resume" in admin.submit("/webhooks/1/pause").text
    assert "Paused" in admin.get("/webhooks").text
    set_segments(ana, GOLD)
    assert deliver() == 0
    assert "Pending deliveries 1" in admin.get("/webhooks/1").text
    admin.submit("/webhooks/1/resume")
    assert deliver() == 1


def test_rotate_secret(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    first = secret_in(added(admin, receiver))
    assert "Rotate the secret" in admin.get(admin.get("/webhooks/1").links["Rotate secret"]).text
    page = HtmlPage(admin.post("/webhooks/1/rotate", {"overlap": "24"}, status=200).text)
    set_segments(ana, GOLD)
    deliver()
    assert is_authentic(first, receiver.received[0])
    assert is_authentic(secret_in(page), receiver.received[0])
    assert "signed with the previous secret as well" in admin.get("/webhooks/1").text
    page = HtmlPage(admin.post("/webhooks/1/rotate", {"overlap": "0"}, status=200).text)
    set_segments(ana, [])
    deliver()
    assert not is_authentic(first, receiver.received[1])
    assert is_authentic(secret_in(page), receiver.received[1])


def test_delete_asks_for_confirmation(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    assert "be undone" in admin.get(admin.get("/webhooks/1").links["Delete"]).text
    assert "Webhook deleted" in admin.submit("/webhooks/1/delete").text
    set_segments(ana, GOLD)
    assert not deliver_webhooks(NEVER_STOPS)
    for path in ("", "/rotate", "/delete", "/edit"):
        admin.get(f"/webhooks/1{path}", status=404)
    admin.post("/webhooks/1/pause", status=404)
    admin.post("/webhooks/1/test", status=404)
    admin.post("/webhooks/1/deliveries/1/resend", status=404)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "Enter a URL"),
        ("example.com", "Enter a URL such as"),
        ("http://example.com/", "must begin with https://"),
        ("https://127.0.0.1/", "Private network addresses are blocked"),
        ("https://localhost/", "Private network addresses are blocked"),
        ("https://nowhere.invalid/", "Host not found"),
    ],
)
def test_invalid_url_is_rejected(admin: HtmlClient, url: str, said: str) -> None:
    page = HtmlPage(admin.post("/webhooks", {"url": url}, status=200).text)
    assert said in page.text
    assert "whsec_" not in page.text
    assert "No webhooks yet" in admin.get("/webhooks").text


def test_url_is_checked_again_at_each_delivery(
    app: Flask, admin: HtmlClient, receiver: Receiver, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sending looks anew: here the setting has changed; a name may, too."""
    added(admin, receiver)
    set_segments(ana, GOLD)
    monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", None)
    deliver()
    assert receiver.received == []
    assert "must begin with https://" in admin.get("/webhooks/1").text
    monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", frozenset([receiver.address]))
    end_retry_delay()
    deliver()
    assert receiver.accepted() == ["1"]


def test_only_admins_manage_webhooks(
    admin: HtmlClient, editor: HtmlClient, viewer: HtmlClient, receiver: Receiver
) -> None:
    added(admin, receiver)
    assert admin.get("/").links["Webhooks"] == "/webhooks"
    for operator in (editor, viewer):
        assert "Webhooks" not in operator.get("/").links
        for path in ("", "/1", "/1/rotate", "/1/delete", "/1/edit"):
            operator.get(f"/webhooks{path}", status=403)
        for act in ("pause", "resume", "rotate", "delete", "test", "edit", "deliveries/1/resend"):
            operator.post(f"/webhooks/1/{act}", status=403)


def test_only_changes_of_chosen_types_are_sent(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    admin.post("/webhooks", {"url": receiver.url, "types": " membership \r\n\r\nregion"}, status=200)
    assert "Only membership, region" in admin.get("/webhooks").text
    page = admin.get("/webhooks/1")
    assert "Segment types membership region" in page.text
    set_segments(ana, [{"type": "interest", "value": "WINE"}])
    set_segments(ana, GOLD)
    deliver()
    assert receiver.accepted() == ["2"]
    form = admin.get(page.links["Edit"])
    assert "membership\nregion" in form.html
    assert "Applies from the next delivery" in admin.submit("/webhooks/1/edit", {"url": receiver.url, "types": ""}).text
    assert "Segment types All types" in admin.get("/webhooks/1").text
    set_segments(ana, [*GOLD, {"type": "interest", "value": "TEA"}])
    deliver()
    assert receiver.accepted() == ["2", "3"]
    events = admin.get("/audit-log")
    assert "Webhook changed" in events.text


def test_only_chosen_events_are_sent(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    chosen = [("url", receiver.url), ("events", "segment.alert"), ("events", "night.missed")]
    admin.post("/webhooks", chosen, status=200)
    assert "Alerts on segment sizes Missed nights No deliveries" in admin.get("/webhooks").text
    assert "Events Alerts on segment sizes, Missed nights" in admin.get("/webhooks/1").text
    set_segments(ana, GOLD)
    deliver()
    assert receiver.received == []
    admin.submit("/webhooks/1/edit", {"url": receiver.url, "events": "change_set"})
    assert "Events Changes" in admin.get("/webhooks/1").text
    set_segments(ana, [])
    deliver()
    assert receiver.accepted() == ["2"]
    admin.submit("/webhooks/1/edit", {"url": receiver.url})
    assert "Events All events" in admin.get("/webhooks/1").text


def test_pending_deliveries_go_to_a_new_url_at_once(admin: HtmlClient, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    receiver.answers = [500]
    set_segments(ana, GOLD)
    deliver()
    new_url = f"{receiver.url}&moved=1"
    page = HtmlPage(admin.post("/webhooks/1/edit", {"url": "http://example.com/"}, status=200).text)
    assert "must begin with https://" in page.text
    assert deliver() == 0, "waits for another attempt"
    admin.submit("/webhooks/1/edit", {"url": new_url})
    deliver()
    assert receiver.accepted() == ["1"]
    assert receiver.received[-1].path.endswith("&moved=1")
    assert f"URL: {new_url}" in admin.get("/audit-log").text


def test_host_of_an_unchanged_url_may_be_unavailable(admin: HtmlClient) -> None:
    add_webhook("https://nowhere.invalid/")
    unchanged = {"url": "https://nowhere.invalid/", "types": "region"}
    assert "Applies from" in admin.submit("/webhooks/1/edit", unchanged).text


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/1/edit"])
def test_invalid_types_are_rejected(admin: HtmlClient, receiver: Receiver, path: str) -> None:
    add_webhook(receiver.url)
    too_many = "\n".join(f"t{number}" for number in range(MAX_TOKEN_TYPES + 1))
    page = HtmlPage(admin.post(path, {"url": receiver.url, "types": too_many}, status=200).text)
    assert f"at most {MAX_TOKEN_TYPES} are allowed" in page.text
    assert "Segment types All types" in admin.get("/webhooks/1").text
    assert len(list_webhooks()) == 1


def test_a_test_event_is_sent_and_its_response_shown(admin: HtmlClient, receiver: Receiver) -> None:
    secret = add_webhook(receiver.url)
    assert "Reload this page to see the response" in admin.submit("/webhooks/1/test").text
    deliver()
    (received,) = receiver.received
    assert received.json()["type"] == "test"
    assert is_authentic(secret, received)
    assert "Test Delivered 204 No Content" in admin.get("/webhooks/1").text
    admin.submit("/webhooks/1/pause")
    assert "sent when you resume" in admin.submit("/webhooks/1/test").text
    assert deliver() == 0
