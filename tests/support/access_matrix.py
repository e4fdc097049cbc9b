"""The matrix of routes and roles in docs/security.md. `python -m tests.support.access_matrix` writes it anew."""

from collections.abc import Iterator

from flask import Flask

from app import create_app
from app.access.operators import ROLES
from app.pages.auth import PUBLIC
from bench.servers.gunicorn import ROOT, SECRET_KEY

DOCUMENT = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- /matrix -->\n"


def matrix(app: Flask) -> str:
    """Return the two tables: pages by role, and operations of the API by scope."""
    pages = [f"| {route} | {' | '.join(_roles(role))} |" for route, role in sorted(_rules(app, "pages.", "role"))]
    api = [f"| {route} | {_code(scope) or 'none'} |" for route, scope in sorted(_rules(app, "api.", "scope"))]
    roles = " | ".join(("without sign-in", *ROLES))
    page_head = (f"| page | {roles} |", "|---|" + "---|" * (len(ROLES) + 1))
    api_head = ("", "| operation | scope of the token |", "|---|---|")
    return "\n".join((*page_head, *pages, *api_head, *api, ""))


def _rules(app: Flask, blueprint: str, attribute: str) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(blueprint):
            methods = " ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            yield f"`{methods} {rule.rule}`", vars(app.view_functions[rule.endpoint])[attribute] or ""


def _roles(role: str) -> list[str]:
    """Return a mark for each kind of visitor whom the page serves."""
    minimum = 0 if role == PUBLIC else 1 + ROLES.index(role)
    return ["yes" if index >= minimum else "" for index in range(len(ROLES) + 1)]


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def documented() -> str:
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    app = create_app({"DATABASE_URL": "sqlite://", "SECRET_KEY": SECRET_KEY})
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(before + BEGIN + matrix(app) + END + after)


if __name__ == "__main__":
    main()
