"""A tour of every page and every state of it, for checks that must hold on each, and for screenshots.

A page that a URL leads to stands in `pages`; a state that takes some steps is a generator in the module of its area.
"""

from collections.abc import Iterator
from functools import partial

from playwright.sync_api import Browser

from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, EDITOR, VIEWER, browser_session
from tests.support.page_tour import administration, changes, customer, imports, lists, segments, sign_in
from tests.support.page_tour.pages import DETAILS, LISTS, PageState


def page_tour(browser: Browser, server: Server, *, full: bool, locale: str = "en-US") -> Iterator[PageState]:
    """Yield each page state. The caller may resize and recolour the page, but must not navigate."""
    session = partial(browser_session, browser, server.address, locale=locale)
    with session() as visitor, session(ADMIN) as admin:
        yield from sign_in.refused_sign_in(visitor)
        for name, path in {**LISTS, **(DETAILS if full else {})}.items():
            admin.go(path)
            yield name, admin
        yield from lists.header(admin)
        yield from lists.saved_views(admin)
        if full:
            yield from customer.long_customer(admin)
        yield from administration.operators(admin, visitor)
        yield from administration.tokens(admin)
        yield from administration.webhooks(admin)
        yield from imports.applied_import(admin)
        yield from imports.running_import(admin, server)
        if full:
            yield from changes.large_undo(admin, server)
            yield from lists.selection(admin)
        yield from changes.bulk_edit(admin)
        if full:
            yield from segments.alerts(admin)
            yield from segments.similar_segments(admin)
            yield from customer.editor(admin)
            with session(EDITOR) as colleague:
                yield from customer.conflict(admin, colleague)
    with session(VIEWER) as viewer:
        yield from sign_in.viewer(viewer, full)
    if full:
        with session() as former:
            yield from sign_in.ended_session(former, server)
