"""A run of the real engine on its real page: Django's views answer the browser, the test works on the steps.

Only the socket is scripted: it tells what the journal holds, whenever the test says so.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.db import connections
from django.test import Client
from playwright.sync_api import Locator, Page, Route, expect

from outbox import wire
from outbox.models import Entry
from tests.browser.conftest import ORIGIN
from tests.browser.scripted import ScriptedServer
from workflows.models import Run

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class ServedRun:
    """What `viewer` sees of `run`. trouble: whatever the browser complained of."""

    def __init__(self, page: Page, run: Run, viewer: User) -> None:
        self.page, self.run = page, run
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(viewer)
        self.server = ScriptedServer(page, run=str(run.pk))
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.route(f"{ORIGIN}/**", self._answer)

    def _answer(self, route: Route) -> None:
        asked = route.request
        path, query = urlsplit(asked.url).path, urlsplit(asked.url).query
        if path.startswith("/static/"):
            route.fulfill(path=finders.find(path.removeprefix("/static/")))
            return
        headers = {"accept": asked.headers.get("accept", "*/*")}
        kind = asked.headers.get("content-type", "")
        body, asking = asked.post_data_buffer or b"", partial(self.client.generic, asked.method, path)
        # In a thread of its own: the browser's driver keeps an event loop in this one, in which no async view runs.
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(
                asking, body, content_type=kind, headers=headers, QUERY_STRING=query
            ).result()
            thread.submit(connections.close_all).result()
        if answer.status_code == 302:  # Playwright does not route what a redirect leads to
            target = f'<meta http-equiv="refresh" content="0;url={answer["Location"]}">'
            route.fulfill(body=target, content_type="text/html")
            return
        told = {"Content-Security-Policy": POLICY, **dict(answer.items())}
        route.fulfill(status=answer.status_code, headers=told, body=answer.content)

    def open(self) -> "ServedRun":
        self.server.log = self._journal()
        self.page.goto(f"{ORIGIN}/runs/{self.run.pk}/")
        return self

    def tell(self) -> None:
        """Tell the browser what has happened since it was last told."""
        known = len(self.server.log)
        self.server.log = self._journal()
        self.server.tell(*self.server.log[known:])

    def _journal(self) -> list[dict[str, object]]:
        return [wire.envelope(row) for row in Entry.objects.filter(stream_id=self.run.pk).order_by("seq")]

    def part(self, name: str) -> Locator:
        return self.page.locator(f"[data-part={name}]").first

    def note(self, step: str) -> Locator:
        return self.page.locator(f".step[data-step={step}] [data-part=note]")

    def expect_live(self) -> None:
        expect(self.part("freshness")).to_have_attribute("data-freshness", "live")
