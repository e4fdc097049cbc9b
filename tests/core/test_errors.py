"""Every domain error has an answer of the API and a page: with its status, its code and its explanation."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from flask import Flask
from markupsafe import escape

import app as application
from app import errors
from app.core.errors import DomainError


def subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


for module in pkgutil.walk_packages(application.__path__, "app."):
    if not module.name.startswith("app.migrations"):
        importlib.import_module(module.name)
ERRORS = sorted(set(subclasses(DomainError)), key=lambda kind: (kind.__module__, kind.__name__))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_domain_error_has_an_answer_and_a_page(apps: dict[str, Flask], kind: type[DomainError]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "The message.")
    for path in ("/api/x", "/x"):
        with apps["sqlite"].test_request_context(path):
            apps["sqlite"].preprocess_request()
            response = apps["sqlite"].make_response(errors._domain_error(error))
        assert response.status_code == kind.status
        assert 400 <= kind.status < 600
        assert "The message." in response.get_data(as_text=True)
        if path == "/api/x":
            assert response.json is not None
            assert response.json["error"]["code"] == kind.code
        else:
            assert str(escape(kind.title)) in response.get_data(as_text=True)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_domain_error_states_its_own_code_and_explanation(kind: type[DomainError]) -> None:
    assert {"code", "explanation"} <= vars(kind).keys()
    assert kind.explanation.endswith(".")


def test_a_code_has_one_status() -> None:
    assert len({(kind.code, kind.status) for kind in ERRORS}) == len({kind.code for kind in ERRORS})
