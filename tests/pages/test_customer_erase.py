"""An admin erases a customer on the page."""

import io

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.access.audit_log import AuditFilter, list_events
from app.core.database import run_in_transaction
from app.core.models.customers import customer_exists
from app.jobs.batches import iter_skipped, store_skipped
from app.jobs.jobs import insert_job
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import has_upload, store_upload
from tests.support.clients import Api
from tests.support.customers import GOLD, TESTER, set_segments
from tests.support.html_client import HtmlClient, HtmlPage


def add_finished_import(document_id: str) -> int:
    def add(session: Session) -> int:
        job_id = insert_job(session, JobKind.IMPORT, TESTER, {}, JobState.DONE)
        store_skipped(session, job_id, {document_id: "missing"})
        return job_id

    job_id = run_in_transaction(add)
    store_upload(job_id, io.BytesIO(f"document_id\n{document_id}\n".encode()))
    return job_id


def test_a_customer_is_erased_everywhere(admin: HtmlClient, api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    job_id = add_finished_import(ana)
    body, headers = {"customers": [{"document_id": ana, "segments": []}]}, {"Idempotency-Key": "replace-1"}
    api.call("POST", "/api/v3/customers/segments", json=body, headers=headers)
    page = admin.get(admin.get(f"/customers/{ana}").links["Erase…"])
    assert "0 segments and whole history will be deleted" in page.text
    done = admin.submit(f"/customer-erase/{ana}", {"document_id": ana})
    assert "Customer erased." in done.text
    assert ana not in done.html
    assert not customer_exists(ana)
    assert not list(iter_skipped(job_id))
    assert not has_upload(job_id)
    replayed = api.call("POST", "/api/v3/customers/segments", json=body, headers=headers)
    assert replayed.json["updatedCustomers"] == []
    (event,) = list_events(AuditFilter(event="customer_erased"))
    assert event.after == {"customers": 1}


@pytest.mark.parametrize("entered", ["", "1232", "Ana Gómez"])
def test_another_id_than_the_customers_erases_nothing(admin: HtmlClient, ana: str, entered: str) -> None:
    response = admin.post(f"/customer-erase/{ana}", {"document_id": entered}, status=422)
    assert "Enter the ID of this customer." in HtmlPage(response.text).text
    assert customer_exists(ana)


def test_only_admins_erase(app: Flask, editor: HtmlClient, ana: str) -> None:
    editor.get(f"/customer-erase/{ana}", status=403)
    editor.post(f"/customer-erase/{ana}", {"document_id": ana}, status=403)
    assert "Erase…" not in editor.get(f"/customers/{ana}").links
    assert customer_exists(ana)


def test_unknown_customer_is_404(admin: HtmlClient) -> None:
    admin.get("/customer-erase/unknown", status=404)
