"""Commands: flask alerts …"""

from datetime import UTC

import click
from flask.cli import AppGroup

from app.cli.terminal import fail, print_message, reports_errors
from app.core.models.segment_alerts import THRESHOLDS, Condition, Watched, list_alerts
from app.core.models.segments import SegmentPair
from app.serialization.segment_notation import InvalidSegment, format_segment, parse_segment
from app.webhooks.segment_alerts import change_alerts

alerts = AppGroup("alerts", help="Alerts on the sizes of segments and types.")


@alerts.command("list")
@reports_errors
def list_() -> None:
    """List the alerts: type:value, or the type alone for all its segments together, condition, threshold, raised at."""
    for alert in list_alerts():
        raised = alert.raised.raised_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if alert.raised else "-"
        click.echo("\t".join((_name(alert.watched), alert.condition, str(alert.threshold), raised)))


def _name(watched: Watched) -> str:
    return watched.type if watched.value is None else format_segment(SegmentPair(watched.type, watched.value))


@alerts.command("set")
@click.argument("name", metavar="TYPE:VALUE")
@click.option("--whole-type", is_flag=True, help="TYPE:VALUE is a type, whose segments are added up.")
@click.option("--below", type=click.IntRange(*THRESHOLDS["below"]), help="Alert when fewer customers have it.")
@click.option("--above", type=click.IntRange(*THRESHOLDS["above"]), help="Alert when more customers have it.")
@click.option("--change", type=click.IntRange(*THRESHOLDS["change"]), help="Alert when a day changes it by more, in %.")
@reports_errors
def set_(name: str, *, whole_type: bool, below: int | None, above: int | None, change: int | None) -> None:
    """Set the alerts of the segment TYPE:VALUE: it has exactly these afterwards, and none without options."""
    thresholds: dict[Condition, int | None] = {"below": below, "above": above, "change": change}
    given = {condition: number for condition, number in thresholds.items() if number is not None}
    change_alerts(_watched(name, whole_type), given)
    print_message("Saved.")


def _watched(name: str, whole_type: bool) -> Watched:
    if whole_type:
        return Watched(name)
    try:
        return Watched(*parse_segment(name))
    except InvalidSegment as error:
        fail(f"{error} For all segments of a type, use --whole-type.")
