"""flask demo"""

import click

from app.cli.terminal import honest, number, progress
from app.demo_data import fill


@click.command("demo")
@click.option("--customers", default=5_000, show_default=True, type=click.IntRange(1, 10_000_000))
@honest
def demo(customers: int) -> None:
    """Fill an empty database with plausible customers and segments; a filled one is refused."""
    with progress("Inventing", customers) as advance:
        fill(customers, advance)
    click.echo(f"{number(customers, 'customer')} and their segments are there.")
