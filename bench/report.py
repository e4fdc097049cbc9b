"""The measured figures beside their targets and the last run: printed at once, and kept as Markdown and JSON."""

import json
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
QUICK_FIGURES = ROOT / ".cache" / "benchmarks-quick.json"
"""The last quick run on this machine."""
PACKAGES = ("flask", "sqlalchemy", "psycopg", "marshmallow", "gunicorn", "django", "djangorestframework", "fastapi")


@dataclass
class BenchmarkReport:
    lines: list[str] = field(default_factory=list)
    missed: int = 0
    plots: dict[str, Any] = field(default_factory=dict)
    last: dict[str, dict[str, float]] = field(default_factory=dict)
    """The figures of the last run: `{work: {"value", "lowest", "highest"}}`."""
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    worse: list[str] = field(default_factory=list)
    """Work whose ratio is worse than in the last run by more than the spread of both."""

    def line(self, text: str = "") -> None:
        print(text, flush=True)
        self.lines.append(text)

    def section(self, title: str, description: str) -> None:
        self.line(f"\n## {title}\n\n{description}\n")

    def table(self, *columns: str) -> None:
        self.line("| " + " | ".join(columns) + " |")
        self.line("|---" * len(columns) + "|")

    def row(self, *cells: object) -> None:
        self.line("| " + " | ".join(str(cell) for cell in cells) + " |")

    def target(self, work: str, value: float, *, maximum: float | None = None, minimum: float | None = None) -> None:
        """Add a row (work, measured, target) that says whether the target was met."""
        met = value <= maximum if maximum is not None else value >= (minimum or 0)
        self.missed += not met
        self._compare(work, value, lower_is_better=maximum is not None)
        target = f"≤ {maximum:.3g}" if maximum is not None else f"≥ {minimum:.3g}"
        last = f" (last run {self.last[work]['value']:.3g})" if work in self.last else ""
        self.row(work, f"**{value:.3g}**{last}", target if met else f"{target}, missed")

    def _compare(self, work: str, value: float, *, lower_is_better: bool) -> None:
        lowest, highest = (getattr(value, name, value) for name in ("lowest", "highest"))
        self.figures[work] = {"value": float(value), "lowest": lowest, "highest": highest}
        if work in self.last:
            last = self.last[work]
            if lowest > last["highest"] if lower_is_better else highest < last["lowest"]:
                self.worse.append(work)

    def plot(self, name: str, title: str, stored: list[int], series: dict[str, list[float]]) -> None:
        """Add a chart: one line per series, relative to its first point, over the number of stored customers."""
        style = pygal.style.Style(background="white", plot_background="white", font_family="sans-serif")
        chart = pygal.Line(
            title=title, x_title="customers stored", style=style, width=900, height=420, legend_at_bottom=True, js=[]
        )
        chart.x_labels = [f"{customers:,}" for customers in stored]
        for label, values in series.items():
            chart.add(label, [round(value / values[0], 3) for value in values])
        self.plots[name] = chart
        self.line(f"\n![{title}]({name}.svg)")

    def write(self, command: str, postgresql: str) -> None:
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        memory = psutil.virtual_memory().total >> 30
        machine = f"{psutil.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}"
        head = (
            f"# Benchmarks\n\nWritten by `{command}` on {datetime.now(UTC):%Y-%m-%d}. Compared figures are measured\n"
            "in one run, interleaved, over several rounds after a warm-up. The ratio of medians counts.\n\n"
            f"Machine: {machine}; Python {platform.python_version()}, PostgreSQL {postgresql} with its\n"
            f"default settings, {versions}.\n"
        )
        for name, chart in self.plots.items():
            chart.render_to_file(str(DOCS / f"{name}.svg"))
        (DOCS / "benchmarks.md").write_text(head + "\n".join(self.lines) + "\n")
        self.write_figures(DOCS / "benchmarks.json")

    def write_figures(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n")

    def read_last(self, path: Path) -> None:
        """Compare with the figures in this file from now on."""
        self.last = json.loads(path.read_text()) if path.exists() else {}
