"""Static files, ours and those of the Bootstrap package: cached for a year under a URL that names the version."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask

YEAR = timedelta(days=365)


def init_app(app: Flask) -> None:
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = YEAR
    folders = {"static": app.static_folder, "bootstrap.static": app.blueprints["bootstrap"].static_folder}
    versions: dict[Path, str] = {}

    def version(path: Path) -> str:
        if path not in versions or app.debug:
            versions[path] = sha256(path.read_bytes()).hexdigest()[:12]
        return versions[path]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if folders.get(endpoint):
            values["v"] = version(Path(str(folders[endpoint])) / values["filename"])
