"""Views that may be answered by a replica of the database."""

from collections.abc import Callable, Generator, Iterator
from functools import wraps
from typing import Any, TypeVar

from flask import request
from prometheus_client import Counter

from app.access.audit_log import current_actor
from app.core.replicas import AnsweredBy, ReplicaErrors, reading_session, suspend

REPLICA_READS = Counter("replica_reads", "Reads that a replica may answer, by what answered them.", ["answered_by"])

View = TypeVar("View", bound=Callable[..., Any])
T = TypeVar("T")


def from_replica(view: View) -> View:
    """Let a replica answer a view that only reads; the primary, if the replica is behind or fails.

    A conditional request is answered by the primary: its ETag may be of a newer state than that of the replica.
    """

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Any:
        if request.if_none_match:
            return view(*args, **kwargs)
        source = None
        try:
            with reading_session(current_actor()) as source:
                response = view(*args, **kwargs)
        except ReplicaErrors as error:
            if source is not AnsweredBy.REPLICA:
                raise
            suspend(error)
            _count(AnsweredBy.FAILED)
            return view(*args, **kwargs)
        _count(source)
        return response

    return answer  # type: ignore[return-value]


def stream_from_replica(rows: Callable[[], Iterator[T]]) -> Generator[T, None, None]:
    """Return a generator of the rows, which a replica reads; the primary, if the replica is behind or fails.

    A stream cannot be repeated: if the replica fails after the first row, so does the stream.
    Close it where it was begun.
    """
    return _stream(rows, current_actor())  # the actor is that of this request, whichever thread reads the rows


def _stream(rows: Callable[[], Iterator[T]], actor: str) -> Generator[T, None, None]:
    source, begun = None, False
    try:
        with reading_session(actor) as source:
            for row in rows():
                begun = True
                yield row
        _count(source)
        return
    except ReplicaErrors as error:
        if source is not AnsweredBy.REPLICA:
            raise
        suspend(error)
        _count(AnsweredBy.FAILED)
        if begun:
            raise
    yield from rows()


def _count(source: AnsweredBy) -> None:
    if source is not AnsweredBy.ONLY_PRIMARY:
        REPLICA_READS.labels(str(source)).inc()
