"""What several answers of the API have in common."""

from flask import Response


def add_change_set(response: Response, change_set_id: int | None) -> Response:
    """Name the change set that was made, if one was: contract §2."""
    if change_set_id is not None:
        response.headers["Change-Set"] = str(change_set_id)
    return response
