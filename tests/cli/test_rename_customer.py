"""A new document_id for a customer: segments and history are kept."""

import pytest

from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db
from app.core.history.timeline import provenance, timeline
from app.core.models.customers import get_customer
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient


@pytest.fixture
def lucia(shell: Shell) -> str:
    add_customers("1", name="Lucía Díaz")
    set_segments("1", SILVER)
    set_segments("1", GOLD)
    return "1"


def test_segments_and_history_stay_with_the_renamed_customer(shell: Shell, lucia: str) -> None:
    assert "Change set 3" in shell("customers", "change-id", lucia, "AB/2").stdout
    db.session.rollback()
    assert all_segments() == {"AB/2": GOLD}
    assert [step.after for step in timeline("AB/2", limit=9)] == [GOLD, SILVER]
    assert [segment.since.id for segment in provenance("AB/2") if segment.since] == [2]
    assert [customer.document_id for customer in find_customers(Filter(q="ab"), Order(), limit=9)] == ["AB/2"]
    assert find_customers(Filter(q="1"), Order(), limit=9) == []
    assert revert(2, TESTER).conflicts == []
    assert all_segments() == {"AB/2": SILVER}
    assert recount(TESTER) == []


def test_can_be_undone(shell: Shell, lucia: str) -> None:
    shell("customers", "change-id", lucia, "2")
    revert(3, TESTER)
    assert all_segments() == {"1": GOLD}
    assert len(timeline("1", limit=9)) == 2
    revert(4, TESTER)
    assert all_segments() == {"2": GOLD}


def test_another_customers_id_is_refused(shell: Shell, lucia: str) -> None:
    add_customers("2")
    assert "Another customer" in shell("customers", "change-id", lucia, "2", exit_code=2).stderr
    assert "No customer" in shell("customers", "change-id", "nobody", "3", exit_code=2).stderr
    shell("customers", "change-id", lucia, "x" * 513, exit_code=2)
    assert get_customer("1").name == "Lucía Díaz"


def test_the_id_of_a_deleted_customer_can_be_used_again(shell: Shell) -> None:
    shell("customers", "import", shell.file("c.csv", "document_id,name\n1,Ana\n2,Luis\n"))
    shell("customers", "import", shell.file("c.csv", "document_id,name\n1,Anna\n"))
    shell("changes", "revert", "1")
    assert set(all_segments()) == {"1"}
    shell("customers", "change-id", "1", "2")
    db.session.rollback()
    assert get_customer("2").name == "Anna"


def test_rename_on_the_customer_page(editor: HtmlClient, lucia: str) -> None:
    page = editor.get("/customers/1")
    form = editor.get(page.links["Change ID…"])
    assert "Change ID of Lucía Díaz" in form.text
    assert "Lucía Díaz" in editor.submit("/customer-rename/1", {"document_id": " 1/2 "}).text
    assert all_segments() == {"1/2": GOLD}
    add_customers("3")
    assert "Another customer" in editor.post("/customer-rename/3", {"document_id": "1/2"}, status=422).text
    assert "1 to 512" in editor.post("/customer-rename/3", {"document_id": " "}, status=422).text


def test_rename_is_recorded(editor: HtmlClient, lucia: str) -> None:
    editor.post("/customer-rename/1", {"document_id": "2"})
    page = editor.get("/changes/3").text
    assert "Changes the document_id of a customer" in page
    assert "before ID 1" in " ".join(page.split())
    assert "after ID 2" in " ".join(page.split())
    assert "#3" in editor.get("/changes").links


def test_a_viewer_cannot(viewer: HtmlClient, lucia: str) -> None:
    viewer.post("/customer-rename/1", {"document_id": "2"}, status=403)
