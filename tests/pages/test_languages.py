"""Languages and time zones of the pages."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask

from app.core.errors import DomainError
from app.pages.error_texts import ERROR_TEXTS
from app.pages.template_filters import local_time
from app.settings import LANGUAGES
from app.web.localization import CATALOGUES
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.html_client import HtmlClient

ROOT = Path(__file__).parent.parent.parent
TRANSLATED = [locale for locale in LANGUAGES if locale != "en"]


@pytest.fixture(scope="module")
def source_messages() -> set[Any]:
    """Every message that templates and views mark for translation."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    keywords = {**DEFAULT_KEYWORDS, "lazy_gettext": None, "marked": None, "ProfileField": (2,)}
    extracted = extract_from_dir(
        str(ROOT),
        method_map=[(mapping["pattern"], mapping["method"]) for mapping in mappings],
        options_map={mapping["pattern"]: mapping for mapping in mappings},
        keywords=keywords,
    )
    return {message if isinstance(message, str) else tuple(message[:2]) for _, _, message, _, _ in extracted}


def texts_of(message: Any) -> list[str]:
    return [message] if isinstance(message, str) else list(message)


def placeholders(message: Any) -> set[str]:
    return {name for text in texts_of(message) for name in re.findall(r"%\(\w+\)s|\{\w+\}|%%", text)}


@pytest.mark.parametrize("locale", TRANSLATED)
def test_every_message_is_translated(source_messages: set[Any], locale: str) -> None:
    with (CATALOGUES / locale / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = {message.id: message.string for message in read_po(file, locale=locale) if message.id}
    assert source_messages - catalogue.keys() == set(), "run `make translations`"
    assert catalogue.keys() - source_messages == set(), "obsolete"
    assert [message for message, string in catalogue.items() if not all(texts_of(string))] == []
    assert [message for message, string in catalogue.items() if placeholders(message) != placeholders(string)] == []


def test_titles_and_advice_of_errors_are_marked_for_translation() -> None:
    stated = {text for error in DomainError.__subclasses__() for text in (error.title, error.advice) if text}
    assert stated <= {str(text) for text in ERROR_TEXTS}


@pytest.mark.parametrize(
    ("header", "lang", "heading"),
    [
        ("es-CO,es;q=0.9,en;q=0.5", "es", "Clientes"),
        ("pt-BR,pt;q=0.9", "pt-BR", "Clientes"),
        ("pt", "pt-BR", "Clientes"),
        ("en-GB", "en", "Customers"),
        ("de", "en", "Customers"),
        ("", "en", "Customers"),
    ],
)
def test_the_language_is_the_browsers(viewer: HtmlClient, header: str, lang: str, heading: str) -> None:
    page = viewer.get("/customers", headers={"Accept-Language": header})
    assert f'<html lang="{lang}"' in page.html
    assert page.title.strip().startswith(heading)


def test_a_chosen_language_wins(viewer: HtmlClient) -> None:
    viewer.post("/locale", {"locale": "es", "next": "/customers"})
    assert "Aún no hay clientes" in viewer.get("/customers", headers={"Accept-Language": "en"}).text
    viewer.post("/locale", {"locale": "xx"})
    assert "Aún no hay clientes" in viewer.get("/customers").text


def test_language_of_an_operator_follows_them_to_another_browser(viewer: HtmlClient, app: Flask) -> None:
    viewer.post("/locale", {"locale": "pt_BR"})
    other = HtmlClient(app.test_client(), viewer.email)
    other.client.set_cookie("locale", "es")
    assert '<html lang="es"' in other.get("/sign-in").html
    other.sign_in()
    assert '<html lang="pt-BR"' in other.get("/customers").html
    assert '<option value="pt_BR" lang="pt-BR" selected>' in " ".join(other.get("/account").html.split())


def test_operator_can_return_to_the_language_of_the_browser(viewer: HtmlClient) -> None:
    viewer.post("/locale", {"locale": "pt_BR"})
    viewer.post("/locale", {"locale": ""})
    assert '<html lang="es"' in viewer.get("/account", headers={"Accept-Language": "es"}).html


def test_language_chosen_before_a_sign_in_is_kept_in_the_browser(app: Flask) -> None:
    visitor = HtmlClient(app.test_client())
    visitor.token = visitor.get("/sign-in").field("csrf_token")
    visitor.post("/locale", {"locale": "es", "next": "/sign-in"})
    assert '<html lang="es"' in visitor.get("/sign-in").html


def test_default_locale_applies_without_a_preference(
    app: Flask, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "DEFAULT_LOCALE", "es")
    assert '<html lang="es"' in viewer.get("/customers", headers={"Accept-Language": "de"}).html


def test_numbers_and_plurals_follow_the_language(viewer: HtmlClient) -> None:
    add_customers(*map(str, range(3)))
    set_segments("1", GOLD)
    spanish = {"Accept-Language": "es"}
    assert "3 clientes" in viewer.get("/customers", headers=spanish).text
    assert "1 cliente" in viewer.get("/customers?q=1&has=any", headers=spanish).text
    assert "33\N{NO-BREAK SPACE}%" in viewer.get("/segments", headers=spanish).html


def test_an_error_page_is_translated(viewer: HtmlClient) -> None:
    page = viewer.get("/customers/unknown", status=404, headers={"Accept-Language": "pt-BR"})
    assert "Página não encontrada" in page.text
    assert "Nenhum cliente tem este ID." in page.text


def test_messages_of_the_api_stay_english(viewer: HtmlClient) -> None:
    response = viewer.client.get("/api/v3/segments", headers={"Accept-Language": "es"})
    assert "token" in response.json["error"]["message"]
    assert "necesita" not in response.text


def test_times_are_in_the_browsers_time_zone(viewer: HtmlClient) -> None:
    add_customers("1")
    set_segments("1", GOLD)
    assert "(UTC)" in viewer.get("/customers/1").html
    viewer.client.set_cookie("time_zone", "America/Bogota")
    assert "(Bogota)" in viewer.get("/customers/1").html
    viewer.client.set_cookie("time_zone", "Nowhere/<script>")
    assert "(UTC)" in viewer.get("/customers/1").html


@pytest.mark.parametrize(
    ("language", "written"),
    [("en", "26 Nov 2026, 21:13 (Bogota)"), ("es", "26 nov 2026, 21:13 (Bogota)"), ("pt-BR", "26 de nov. de 2026")],
)
def test_days_are_written_as_the_language_does(app: Flask, language: str, written: str) -> None:
    headers = {"Accept-Language": language, "Cookie": "time_zone=America/Bogota"}
    with app.test_request_context(headers=headers):
        assert local_time(datetime(2026, 11, 27, 2, 13, tzinfo=UTC)).startswith(written)
