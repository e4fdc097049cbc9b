"""/similar-segments: possible duplicates with their blanks made visible, and merging all of them at once."""

from typing import Any

import pytest

from app.core.counts.recount import recount
from app.core.models.segment_rules import SegmentRule, save_rule
from app.core.search.similar_segments import find_all_similar
from app.pages import similar_segments
from app.pages.blanks import visible_blanks
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient, checked
from tests.support.imports import run_job

SPELLINGS = ["GOLD", "Gold", "gold ", "Göld", "GOLDD"]


def segment(value: str, type_: str = "membership") -> dict[str, str]:
    return {"type": type_, "value": value}


@pytest.fixture
def spellings(app: Any) -> dict[str, Any]:
    """Customers with each spelling of GOLD, of whom one has all, and others; return their segments."""
    for n, value in enumerate(SPELLINGS):
        add_customers(f"x{n}")
        set_segments(f"x{n}", [segment("WINE", "interest"), segment(value)])
    add_customers("all", "y", "z")
    set_segments("all", [segment("gold "), segment("Gold"), segment("GOLD"), segment("wine", "interest")])
    set_segments("y", SILVER)
    set_segments("z", [segment("Gold"), segment("GOLDD")])
    return all_segments()


def merge(editor: HtmlClient, fields: list[tuple[str, str]]) -> str:
    """Prepare and apply the merge; return the URL of the bulk edit."""
    url = editor.post("/similar-segments", fields).headers["Location"]
    assert run_job()
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert recount(TESTER) == []
    return url


def all_selected(editor: HtmlClient) -> list[tuple[str, str]]:
    return [(name, value) for name, value in editor.get("/similar-segments").fields if name == "merge"]


def test_possible_duplicates_are_grouped(editor: HtmlClient, spellings: Any) -> None:
    for n, value in enumerate(["STORE_001", "STORE_002", "A", "B"]):
        add_customers(f"s{n}")
        set_segments(f"s{n}", [segment(value, "store")])
    groups = find_all_similar()
    assert sorted(sorted(value for _, value, _ in group) for group in groups) == [
        sorted(SPELLINGS),
        ["WINE", "wine"],
    ]
    page = editor.get("/similar-segments")
    assert "Merge into WINE…" in page.text
    assert "GOLDD 2 customers · differs by one letter" in page.text
    assert "STORE_001" not in page.text


def test_all_groups_are_merged_by_one_change_that_can_be_undone(editor: HtmlClient, spellings: Any) -> None:
    url = merge(editor, all_selected(editor))
    main = find_all_similar()
    assert main == [], "nothing is left to merge"
    (gold,) = {pair["value"] for pair in all_segments()["z"]}
    merged = [segment("WINE", "interest"), segment(gold)]
    assert all_segments() == {
        **{f"x{n}": merged for n in range(len(SPELLINGS))},
        "all": [segment(gold), segment("WINE", "interest")],
        "y": SILVER,
        "z": [segment(gold)],
    }
    page = editor.get(url)
    assert "Merge 5 segments" in page.text
    undo = next(link for link in page.links.values() if link.endswith("/undo"))
    editor.post(undo)
    assert all_segments() == spellings


def test_each_customer_is_previewed_once(editor: HtmlClient, spellings: Any) -> None:
    url = editor.post("/similar-segments", all_selected(editor)).headers["Location"]
    assert run_job()
    page = editor.get(url)
    changed = sum(1 for id_, segments in spellings.items() if id_ != "y") - 1  # one has the main spellings only
    assert f"Merge for {changed} customers" in page.text
    assert "membership Göld → membership" in page.text


def test_a_customer_changed_after_the_preview_is_left_alone(editor: HtmlClient, spellings: Any) -> None:
    url = editor.post("/similar-segments", all_selected(editor)).headers["Location"]
    assert run_job()
    set_segments("x2", GOLD)
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert all_segments()["x2"] == GOLD
    assert "x2" in editor.get(url).text


def test_only_what_is_selected_is_merged(editor: HtmlClient, spellings: Any) -> None:
    merge(editor, [("merge", "membership:Göld"), ("merge", "interest:wine"), ("only", "interest:wine")])
    assert all_segments() == spellings | {"all": [*spellings["all"][:3], segment("WINE", "interest")]}


def test_a_merge_that_cannot_be_is_reported_on_the_page(
    editor: HtmlClient, spellings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error(fields: list[tuple[str, str]]) -> str:
        return checked(editor.post("/similar-segments", fields, status=422)).text

    assert "Select at least one segment." in error([])
    assert "Select at least one segment." in error([("merge", "membership:unknown")])
    save_rule(SegmentRule(type="interest", description="", multiple=True, policy="closed", allowed_values=["X"]))
    assert "interest WINE isn't in the list of values of its type." in error([("merge", "interest:wine")])
    monkeypatch.setattr(similar_segments, "MAX_MERGED", 1)
    assert "At most 1 segments at a time." in error(all_selected(editor))


def test_a_viewer_sees_duplicates_and_merges_none(viewer: HtmlClient, spellings: Any) -> None:
    assert all_selected(viewer) == []
    viewer.post("/similar-segments", [("merge", "interest:wine")], status=403)


def test_no_possible_duplicates(viewer: HtmlClient) -> None:
    assert "No duplicates found." in viewer.get("/similar-segments").text


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("GOLD", "GOLD"),
        ("New York <3", "New York &lt;3"),
        ("GOLD ", "GOLD[space: ]"),
        (" a", "[space: ]a"),
        ("a  b c", "a[space: ][space: ]b c"),
        ("a\u00a0b", "a[space:\u00a0]b"),
        ("Wi\u200bne", "Wi[invisible character:\u200b]ne"),
        ("a\tb\n", "a[space:\t]b[space:\n]"),
        ("", ""),
    ],
)
def test_blanks_that_would_be_overlooked_are_marked(app: Any, text: str, marked: str) -> None:
    with app.test_request_context():
        html = str(visible_blanks(text))
    start = '<span class="blank" role="img" aria-label="'
    assert html.replace(start, "[").replace('">', ":").replace("</span>", "]") == marked
