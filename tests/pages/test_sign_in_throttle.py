"""Failed sign-ins: delays by operator, address and device, and a limit of concurrent checks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.access import passwords, sign_in_throttle
from app.access.invitations import reissue_invitation
from app.access.operators import create_operator, find_operator
from app.access.sign_in_throttle import AccountLocked, SignInOrigin, count_attempt
from tests.support.clients import Shell
from tests.support.html_client import PASSWORD, HtmlClient


def advance(monkeypatch: pytest.MonkeyPatch, delay: timedelta) -> None:
    """Move the clock of the throttle."""
    real = sign_in_throttle.now
    monkeypatch.setattr(sign_in_throttle, "now", lambda: real() + delay)


def test_five_failed_sign_ins_delay_the_next_one_more_and_more(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    for email in ("ada@example.com", "unknown@example.com"):  # must not reveal whose e-mail belongs to an operator
        guesser = HtmlClient(app.test_client(), email)
        responses = [guesser.sign_in("wrong password", status=403).text for _ in range(5)]
        assert all("Incorrect email or password." in response for response in responses)
        refused = guesser.sign_in(PASSWORD, status=429)
        assert "Too many failed attempts. Try again in 30 seconds." in refused.text
        assert refused.headers["Retry-After"] == "30"
    advance(monkeypatch, timedelta(seconds=31))
    guesser.sign_in("wrong password", status=403)
    assert guesser.sign_in(PASSWORD, status=429).headers["Retry-After"] == "60"
    assert HtmlClient(app.test_client(), "ada@example.com").sign_in()


def test_delay_grows_to_15_minutes_at_most(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    guesser = HtmlClient(app.test_client(), "ada@example.com")
    for _ in range(4):
        guesser.sign_in("wrong password", status=403)
    for _ in range(8):
        guesser.sign_in("wrong password", status=403)
        advance(monkeypatch, timedelta(minutes=15))
    guesser.sign_in("wrong password", status=403)
    assert "Try again in 15 minutes." in guesser.sign_in(PASSWORD, status=429).text


def from_address(address: str) -> dict[str, Any]:
    return {"environ_overrides": {"REMOTE_ADDR": address}}


def test_failures_from_another_address_do_not_delay_an_operator(app: Flask) -> None:
    create_operator("ada@example.com", "admin", PASSWORD)
    guesser = HtmlClient(app.test_client(), "ada@example.com")
    for _ in range(5):
        guesser.sign_in("wrong password", status=403, **from_address("203.0.113.7"))
    guesser.sign_in(PASSWORD, status=429, **from_address("203.0.113.7"))
    HtmlClient(app.test_client(), "ada@example.com").sign_in()


def test_failures_at_the_same_address_do_not_delay_a_known_device(app: Flask, admin: HtmlClient) -> None:
    guesser = HtmlClient(app.test_client(), admin.email)
    for _ in range(5):
        guesser.sign_in("wrong password", status=403)
    guesser.sign_in(PASSWORD, status=429)
    admin.post("/sign-out")
    admin.sign_in()


def test_device_is_known_for_its_operators_only(app: Flask, viewer: HtmlClient) -> None:
    create_operator("ada@example.com", "admin", PASSWORD)
    viewer.post("/sign-out")
    guesser = HtmlClient(viewer.client, "ada@example.com")
    for _ in range(5):
        guesser.sign_in("wrong password", status=403)
    guesser.sign_in(PASSWORD, status=429)


def test_guesses_from_many_addresses_are_delayed_by_email(app: Flask, admin: HtmlClient) -> None:
    for n in range(50):
        count_attempt(admin.email, SignInOrigin(f"203.0.113.{n}"))
    fresh = HtmlClient(app.test_client(), admin.email)
    fresh.sign_in(PASSWORD, status=429)
    admin.post("/sign-out")
    admin.sign_in()


def test_guesses_of_many_emails_are_delayed_by_address(app: Flask) -> None:
    for n in range(50):
        count_attempt(f"{n}@example.com", SignInOrigin("2001:db8::1"))
    with pytest.raises(AccountLocked):
        count_attempt("other@example.com", SignInOrigin("2001:db8::ffff:2"))  # the same /64 network
    count_attempt("other@example.com", SignInOrigin("2001:db8:0:1::1"))


def test_parallel_attempts_count_one_by_one(app: Flask) -> None:
    def attempt(_n: int) -> bool:
        with app.app_context():
            try:
                count_attempt("ada@example.com", SignInOrigin("203.0.113.7"))
            except AccountLocked:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(40))) == 5


def test_set_password_command_and_invitation_end_the_delay(app: Flask, shell: Shell, admin: HtmlClient) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    for _ in range(5):
        ada.sign_in("wrong password", status=403)
    shell("operators", "set-password", ada.email, "--password-stdin", stdin="another password\n")
    ada.sign_in("another password")
    ada = HtmlClient(app.test_client(), "ada@example.com")
    for _ in range(5):
        ada.sign_in("wrong password", status=403)
    link = "/sign-in?invitation=" + reissue_invitation(find_operator(ada.email).id)
    ada.token = ada.get(link).field("csrf_token")
    assert ada.post(link, {"password": "a third password"}).headers["Location"] == "/"
    HtmlClient(app.test_client(), "ada@example.com").sign_in("a third password")


def test_third_concurrent_password_check_is_429(
    app: Flask, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two others occupy a thread each; the rest of the threads serve other requests."""
    for _ in range(2):
        passwords._admitted.acquire()
    stranger = HtmlClient(app.test_client(), viewer.email)
    refused = stranger.sign_in(status=429)
    assert refused.headers["Retry-After"] == "1"
    for _ in range(2):
        passwords._admitted.release()
    for _ in range(5):  # the refused attempt was not counted
        stranger.sign_in("wrong password", status=403)


def test_sign_in_with_an_impossible_email_is_403(app: Flask) -> None:
    for email in ("a@b.co\0", "x" * 6_000 + "@b.co", "a\n@b.co"):
        stranger = HtmlClient(app.test_client(), email)
        stranger.sign_in(status=403)


def test_successful_sign_in_resets_the_failure_count(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    for _ in range(3):
        for _ in range(4):
            ada.sign_in("wrong password", status=403)
        ada.sign_in()
        ada.post("/sign-out")
