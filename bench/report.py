"""What was measured, beside what was aimed at: on the screen as it comes, and in docs/benchmarks.md."""

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pygal

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGES = ("flask", "sqlalchemy", "psycopg", "marshmallow", "gunicorn", "django", "djangorestframework", "fastapi")


@dataclass
class Report:
    lines: list[str] = field(default_factory=list)
    missed: int = 0
    plots: dict[str, Any] = field(default_factory=dict)

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def section(self, title: str, told: str) -> None:
        self.say(f"\n## {title}\n\n{told}\n")

    def table(self, *columns: str) -> None:
        self.say("| " + " | ".join(columns) + " |")
        self.say("|---" * len(columns) + "|")

    def row(self, *cells: object) -> None:
        self.say("| " + " | ".join(str(cell) for cell in cells) + " |")

    def aim(self, what: str, value: float, *, at_most: float | None = None, at_least: float | None = None) -> None:
        """A row of a table (work, measured, aim): whether the aim was met stands beside it."""
        met = value <= at_most if at_most is not None else value >= (at_least or 0)
        self.missed += not met
        aim = f"≤ {at_most:.3g}" if at_most is not None else f"≥ {at_least:.3g}"
        self.row(what, f"**{value:.3g}**", aim if met else f"{aim}, missed")

    def plot(self, name: str, title: str, stored: list[int], series: dict[str, list[float]]) -> None:
        """A line for each series, relative to its first point, over customers stored."""
        style = pygal.style.Style(background="white", plot_background="white", font_family="sans-serif")
        chart = pygal.Line(
            title=title, x_title="customers stored", style=style, width=900, height=420, legend_at_bottom=True, js=[]
        )
        chart.x_labels = [f"{customers:,}" for customers in stored]
        for label, values in series.items():
            chart.add(label, [round(value / values[0], 3) for value in values])
        self.plots[name] = chart
        self.say(f"\n![{title}]({name}.svg)")

    def write(self, command: str, postgresql: str) -> None:
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        memory = psutil.virtual_memory().total >> 30
        machine = f"{psutil.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}"
        head = (
            f"# Benchmarks\n\nWritten by `{command}` on {datetime.now(UTC):%Y-%m-%d}. What is compared was measured\n"
            "side by side in one run, in turn, over several rounds after a warm-up; the ratio of medians counts.\n\n"
            f"Machine: {machine}; Python {platform.python_version()}, PostgreSQL {postgresql} with its\n"
            f"default settings, {versions}.\n"
        )
        for name, chart in self.plots.items():
            chart.render_to_file(str(DOCS / f"{name}.svg"))
        (DOCS / "benchmarks.md").write_text(head + "\n".join(self.lines) + "\n")
