"""/webhooks: added, shown once, watched, paused, rotated, deleted. For admins."""

from collections.abc import Iterator

import pytest
from flask import Flask

from app.background import deliver_webhooks
from tests.support.customers import GOLD, set_segments
from tests.support.html_client import Operator, Page
from tests.support.webhook_receiver import Receiver, receiving
from tests.webhooks.test_delivery import STOP, at_once, deliver, is_ours


@pytest.fixture
def receiver(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", frozenset([receiver.address]))
        yield receiver


def added(admin: Operator, receiver: Receiver) -> Page:
    return Page(admin.post("/webhooks", {"url": f" {receiver.url} "}, status=200).text)


def secret_in(page: Page) -> str:
    return next(word for word in page.text.split() if word.startswith("whsec_"))


def test_its_secret_is_shown_once_and_verifies(admin: Operator, receiver: Receiver, ana: str) -> None:
    assert "No webhooks yet" in admin.get("/webhooks").text
    secret = secret_in(added(admin, receiver))
    assert "Nothing sent yet" in admin.get("/webhooks").text
    set_segments(ana, GOLD)
    deliver()
    assert is_ours(secret, receiver.received[0])
    assert "Last sent just now delivered" in admin.get("/webhooks").text
    page = admin.get(admin.get("/webhooks").links[receiver.url])
    assert "answered 204" in page.text
    assert page.links["1"] == "/changes/1"
    for url in ("/webhooks", "/webhooks/1", "/webhooks/1/rotate"):
        assert secret not in admin.get(url).html


def test_a_failure_says_so_and_can_be_sent_now(admin: Operator, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    receiver.answers = [500]
    set_segments(ana, GOLD)
    set_segments(ana, [])
    deliver()
    page = admin.get("/webhooks/1")
    for text in ("trying again", "answered 500", "next at", "Changes yet to come 1", "Send now"):
        assert text in page.text
    assert "trying again" in admin.get("/webhooks").text
    assert "sent in a moment" in admin.submit("/webhooks/1/deliveries/1/send-again").text
    deliver()
    assert receiver.accepted() == ["1", "2"]
    admin.submit("/webhooks/1/deliveries/1/send-again")
    deliver()
    assert receiver.accepted() == ["1", "2", "1"]


def test_pausing_and_resuming(admin: Operator, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    assert "What changes meanwhile waits" in admin.submit("/webhooks/1/pause").text
    assert "paused" in admin.get("/webhooks").text
    set_segments(ana, GOLD)
    assert deliver() == 0
    assert "Changes yet to come 1" in admin.get("/webhooks/1").text
    admin.submit("/webhooks/1/resume")
    assert deliver() == 1


def test_rotating(admin: Operator, receiver: Receiver, ana: str) -> None:
    first = secret_in(added(admin, receiver))
    assert "Rotate the secret" in admin.get(admin.get("/webhooks/1").links["Rotate the secret"]).text
    page = Page(admin.post("/webhooks/1/rotate", {"overlap": "24"}, status=200).text)
    set_segments(ana, GOLD)
    deliver()
    assert is_ours(first, receiver.received[0])
    assert is_ours(secret_in(page), receiver.received[0])
    assert "the secret before the last rotation as well" in admin.get("/webhooks/1").text
    page = Page(admin.post("/webhooks/1/rotate", {"overlap": "0"}, status=200).text)
    set_segments(ana, [])
    deliver()
    assert not is_ours(first, receiver.received[1])
    assert is_ours(secret_in(page), receiver.received[1])


def test_deleting_asks_first(admin: Operator, receiver: Receiver, ana: str) -> None:
    added(admin, receiver)
    assert "cannot be undone" in admin.get(admin.get("/webhooks/1").links["Delete"]).text
    assert "told nothing any more" in admin.submit("/webhooks/1/delete").text
    set_segments(ana, GOLD)
    assert not deliver_webhooks(STOP)
    for path in ("", "/rotate", "/delete"):
        admin.get(f"/webhooks/1{path}", status=404)
    admin.post("/webhooks/1/pause", status=404)
    admin.post("/webhooks/1/deliveries/1/send-again", status=404)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "Enter a URL"),
        ("example.com", "Enter a URL such as"),
        ("http://example.com/", "must begin with https://"),
        ("https://127.0.0.1/", "lies inside a network"),
        ("https://localhost/", "lies inside a network"),
        ("https://nowhere.invalid/", "has no address"),
    ],
)
def test_it_refuses(admin: Operator, url: str, said: str) -> None:
    page = Page(admin.post("/webhooks", {"url": url}, status=200).text)
    assert said in page.text
    assert "whsec_" not in page.text
    assert "No webhooks yet" in admin.get("/webhooks").text


def test_what_has_come_to_lie_inside_is_not_sent(
    app: Flask, admin: Operator, receiver: Receiver, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sending looks anew: here the setting has changed; a name may, too."""
    added(admin, receiver)
    set_segments(ana, GOLD)
    monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", None)
    deliver()
    assert receiver.received == []
    assert "must begin with https://" in admin.get("/webhooks/1").text
    monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", frozenset([receiver.address]))
    at_once()
    deliver()
    assert receiver.accepted() == ["1"]


def test_only_admins_see_them(admin: Operator, editor: Operator, viewer: Operator, receiver: Receiver) -> None:
    added(admin, receiver)
    assert admin.get("/").links["Webhooks"] == "/webhooks"
    for operator in (editor, viewer):
        assert "Webhooks" not in operator.get("/").links
        for path in ("", "/1", "/1/rotate", "/1/delete"):
            operator.get(f"/webhooks{path}", status=403)
        for act in ("pause", "resume", "rotate", "delete", "deliveries/1/send-again"):
            operator.post(f"/webhooks/1/{act}", status=403)
