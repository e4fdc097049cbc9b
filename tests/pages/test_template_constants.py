"""What depends on the operator's language or time zone is computed for each page, not when a template is compiled."""

import pytest
from flask import Flask
from jinja2 import nodes

from tests.support.customers import add_customers
from tests.support.html_client import HtmlClient


def test_no_filter_is_applied_to_a_constant(app: Flask) -> None:
    """Jinja would apply it once, for the first operator who sees the page, and keep the result for all others."""
    environment = app.jinja_env
    for name in environment.list_templates(extensions=["html"]):
        source, _, _ = environment.loader.get_source(environment, name)  # type: ignore[union-attr]
        applied = environment.parse(source).find_all(nodes.Filter)
        assert {node.name for node in applied if isinstance(node.node, nodes.Const)} <= {"safe"}, name


@pytest.mark.parametrize("url", ["/", "/changes", "/audit-log", "/account", "/customer-day/1"])
def test_each_operator_sees_their_own_time_zone(admin: HtmlClient, url: str) -> None:
    add_customers("1")
    for zone in ("Pacific/Kiritimati", "America/Bogota"):
        admin.client.set_cookie("time_zone", zone)
        assert zone.partition("/")[2] in admin.get(url).text
