"""The pages of tokens and jobs name the request that their log lines bear."""

import pytest
from flask import Flask

from app.access.token_request_log import log_buffer
from app.core.models.change_sets import Actor
from app.jobs.jobs import create_job, get_any_job
from app.jobs.states import JobKind, JobState
from tests.support.clients import Api
from tests.support.html_client import HtmlClient
from tests.support.imports import upload

LOG_URL = "https://logs.example.com/?query={request_id}&from=now-7d"


def test_token_shows_the_id_of_each_request(app: Flask, api: Api, admin: HtmlClient) -> None:
    api.get("/api/v3/segments", headers={"X-Request-Id": "nightly-7"})
    log_buffer.write()
    assert "nightly-7" in admin.get("/tokens/1").text


def test_job_shows_the_request_that_created_it(editor: HtmlClient) -> None:
    editor.client.environ_base["HTTP_X_REQUEST_ID"] = "upload-3"
    url = upload(editor, "document_id,segments\n1,a:b\n")
    editor.client.environ_base["HTTP_X_REQUEST_ID"] = "look-4"
    page = editor.get(url).text
    assert "upload-3" in page
    assert "look-4" not in page


def test_job_of_a_command_has_no_request(app: Flask) -> None:
    job_id = create_job(JobKind.EDIT, Actor("command", "command"), {}, JobState.DISCARDED)
    assert get_any_job(job_id).request_id is None


def test_request_id_links_to_the_logs(app: Flask, editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "LOG_URL", LOG_URL)
    editor.client.environ_base["HTTP_X_REQUEST_ID"] = "a/b+c"
    page = editor.get(upload(editor, "document_id,segments\n1,a:b\n")).html
    assert 'href="https://logs.example.com/?query=a/b%2Bc&amp;from=now-7d"' in page
