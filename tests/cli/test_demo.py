"""flask demo"""

from app.core.counts.recount import recount
from tests.support.clients import Shell
from tests.support.customers import TESTER, add_customers, all_segments


def test_fills_an_empty_database(shell: Shell) -> None:
    shell("demo", "--customers", "6000")
    segments = all_segments()
    assert len(segments) == 6_000
    assert "1232-2323" in segments
    assert "222-133" not in segments
    assert recount(TESTER) == []


def test_refuses_a_filled_database(shell: Shell) -> None:
    add_customers("1")
    shell("demo", exit_code=2)
    assert set(all_segments()) == {"1"}
