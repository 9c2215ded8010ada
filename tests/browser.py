"""Chromium or Chrome, for the tests that open a page as a user does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ALONE = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass(frozen=True)
class Visit:
    """A page of Playwright, the addresses that were asked for while it was open, and what the console said."""

    page: Any
    asked: list[str]
    said: list[str]


@contextmanager
def visited(url: str, **how) -> Iterator[Visit]:
    """Open an address in a page of Playwright; `how` is Playwright's: viewport, color_scheme.

    Skips the test where there is no browser.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if BROWSER is None:
        pytest.skip("there is neither Chromium nor Chrome")
    asked, said = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=ALONE)
        page = browser.new_page(**how)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        yield Visit(page, asked, said)
        browser.close()


@contextmanager
def opened(path: Path, **how) -> Iterator:
    """Open a file in a page of Playwright, which afterwards has asked for nothing else and complained of nothing.

    `how` as in `visited`.
    """
    with visited(path.as_uri(), **how) as visit:
        yield visit.page
        visit.page.wait_for_timeout(200)  # for what an injected script would do later
    assert visit.asked == [path.as_uri()] + [url for url in visit.asked if url == "data:,"]
    assert visit.said == []


def figure_at(metrics: dict, path: str) -> float:
    """The number of metrics.json that a figure of the page is named after."""
    names = path.split(".")
    if names[0] in ("per_class", "per_label"):
        names[1] = metrics["labels"][int(names[1])]
    for name in names:
        metrics = metrics[int(name)] if isinstance(metrics, list) else metrics[name]
    return metrics
