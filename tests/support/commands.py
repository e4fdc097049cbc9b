"""Run the commands of the service in a process of their own."""

import subprocess
import sys
from pathlib import Path

from bench.servers.gunicorn import clean


def run_flask(environ: dict[str, str], root: Path, *args: str) -> str:
    """Return the output of `flask <args>`. Raises CalledProcessError for another exit code than 0."""
    command = [sys.executable, "-m", "flask", *args]
    return subprocess.run(command, cwd=root, env=clean() | environ, check=True, capture_output=True, text=True).stdout
