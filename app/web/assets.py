"""Static files: those of `static/` and Bootstrap's from its package, which browsers cache for a year.

Each URL has a version as a folder in its path, so a changed file has another URL. What a script imports and what a
stylesheet refers to are relative URLs, and so they carry the version, too.
"""

from datetime import timedelta
from hashlib import sha256
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from flask import Flask, Response, g

MAX_AGE = timedelta(days=365)
STATIC_URL_PATH = "/static/<version>"
PAGE_SCRIPT = "main.js"
OTHER_SCRIPTS = {"api-docs.js"}
"""Scripts of pages that do not extend layout.html."""


def init_app(app: Flask) -> None:
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = MAX_AGE
    static = Path(str(app.static_folder))
    versions = {"static": folder_version(static), "bootstrap.static": package_version("bootstrap-flask")}

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint in versions:
            values["version"] = folder_version(static) if app.debug and endpoint == "static" else versions[endpoint]

    @app.url_value_preprocessor
    def remove_version(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if endpoint in versions and values:  # the view takes only `filename`
            g.is_current_asset = values.pop("version") == versions[endpoint]

    @app.after_request
    def revalidate_other_versions(response: Response) -> Response:
        """Do not let a browser keep today's file under the URL of another version, as during an upgrade."""
        if not g.get("is_current_asset", True):
            response.cache_control.max_age = 0
        return response

    app.jinja_env.globals["preloaded_scripts"] = sorted(
        path.name for path in static.glob("js/*.js") if path.name not in {PAGE_SCRIPT, *OTHER_SCRIPTS}
    )


def folder_version(folder: Path) -> str:
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
