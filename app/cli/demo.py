"""flask demo"""

import click

from app.cli.terminal import pluralize, progress, reports_errors
from app.demo_data import fill_demo


@click.command("demo")
@click.option("--customers", default=5_000, show_default=True, type=click.IntRange(1, 10_000_000))
@reports_errors
def demo(customers: int) -> None:
    """Load sample data into an empty database."""
    with progress("Creating", customers) as advance:
        fill_demo(customers, advance)
    click.echo(f"Created {pluralize(customers, 'customer')} with segments.")
