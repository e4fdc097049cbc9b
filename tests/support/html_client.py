"""A browser without scripts: signs in, follows, fills in forms, and checks what every page must have."""

from collections import Counter
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.access.operators import create_operator

PASSWORD = "correct horse"
VOID = {"meta", "link", "input", "img", "br"}


class HtmlPage(HTMLParser):
    """What stands on a page: its text, links, fields and headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.text, self.title = html, "", ""
        self.links: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.inline: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._link = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags[tag] += 1
        self.ids.update([given["id"] or ""] if "id" in given else [])
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.inline.append("script")
        if tag in ("style", "iframe"):
            self.inline.append(tag)
        if tag == "input" and given.get("name") and not self._in("template"):
            self.fields.append((str(given["name"]), given.get("value") or ""))
        if tag == "a":
            self._link = ""
        if tag not in VOID:
            self._open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, given = self._open.pop()
            if name == "a":
                self.links.setdefault(" ".join(self._link.split()), given.get("href") or "")
                if given.get("aria-label"):
                    self.links.setdefault(str(given["aria-label"]), given.get("href") or "")
            if name == tag:
                break

    def handle_data(self, data: str) -> None:
        if self._in("title") and not self._in("svg"):
            self.title += data
        elif not self._in("script"):
            self.text += f" {data}"
        self._link += data

    def _in(self, tag: str) -> bool:
        return any(name == tag for name, _ in self._open)

    def field(self, name: str) -> str:
        return next(value for field, value in self.fields if field == name)


class HtmlClient:
    """An operator's browser without scripts: it follows links and sends forms."""

    def __init__(self, client: FlaskClient, email: str = "") -> None:
        self.client, self.email = client, email
        self.token = ""

    def get(self, url: str, status: int = 200, **kwargs: Any) -> HtmlPage:
        return self._page(self.client.get(url, **kwargs), status)

    def follow(self, url: str, status: int = 200) -> HtmlPage:
        """Return the page to which a URL leads."""
        return self._page(self.client.get(url, follow_redirects=True), status)

    def post(self, url: str, data: Any = None, status: int = 302, **kwargs: Any) -> TestResponse:
        """Send a form with the CSRF token, as every form of the pages."""
        pairs = list(data.items()) if isinstance(data, dict) else list(data or [])
        fields: dict[str, list[str]] = {"csrf_token": [self.token]}
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        response = self.client.post(url, data=fields, **kwargs)
        assert response.status_code == status, response.text
        return response

    def submit(self, url: str, data: Any = None, **kwargs: Any) -> HtmlPage:
        """Send a form, and follow to where it leads."""
        response = self.post(url, data, **kwargs)
        return self.get(response.headers["Location"])

    def sign_in(self, password: str = PASSWORD, status: int = 302, **kwargs: Any) -> TestResponse:
        self.token = self.get("/sign-in").field("csrf_token")
        response = self.post("/sign-in", {"email": self.email, "password": password}, status=status, **kwargs)
        if status == 302:
            self.token = self.get("/account").field("csrf_token")
        return response

    def _page(self, response: TestResponse, status: int) -> HtmlPage:
        assert response.status_code == status, (response.status_code, response.headers.get("Location"), response.text)
        return checked(response)


def checked(response: TestResponse) -> HtmlPage:
    """What every page promises: one heading, a title, ids of its own, nothing inline, and no copy of it kept."""
    page = HtmlPage(response.text)
    assert page.tags["h1"] == 1, response.text
    assert page.title.strip().endswith("· Customer Segments")
    assert len(page.title.strip()) > len("· Customer Segments") + 1
    assert [id_ for id_, times in page.ids.items() if times > 1] == []
    assert page.inline == []
    assert "'unsafe-inline'" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(response.data) < 60_000, len(response.data)
    return page


def signed_in(client: FlaskClient, role: str, email: str = "") -> HtmlClient:
    email = email or f"{role}@example.com"
    create_operator(email, role, PASSWORD)
    operator = HtmlClient(client, email)
    operator.sign_in()
    return operator
