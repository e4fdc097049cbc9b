"""Changes that the guard of a token holds: made, read and decided."""

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD
from tests.support.html_client import HtmlClient

SEGMENTS = "/api/v3/customers/segments"
IDS = list("abcdefghij")
EMPTY: list[dict[str, Any]] = [{"document_id": id_, "segments": []} for id_ in IDS]


def token(app: Flask, shell: Shell, *options: str, name: str = "crm") -> Api:
    return api_with(app, shell("tokens", "create", name, *options).stdout.splitlines()[-1])


def held(response: TestResponse) -> str:
    """Return the id of the job that a held request was answered with."""
    assert response.json is not None
    assert response.json == {"updatedCustomers": [], "job": response.json["job"]}
    assert response.headers["Location"] == f"/api/v3/jobs/{response.json['job']}"
    return str(response.json["job"])


def job(api: Api, job_id: str) -> Any:
    return api.get(f"/api/v3/jobs/{job_id}").json


def decide(operator: HtmlClient, job_id: str, action: str = "approve", **form: str) -> None:
    operator.post(f"/approvals/{job_id}", {"action": action, **form})


def only(segments: Any, *ids: str) -> dict[str, Any]:
    """Return the segments of all customers: these of the ones named, and GOLD of the others."""
    return {id_: segments if id_ in ids else GOLD for id_ in IDS}
