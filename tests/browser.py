"""Chromium or Chrome, for the tests that open a page as a user does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ALONE = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def opened(path: Path, **how) -> Iterator:
    """Open a file in a page of Playwright, which afterwards has asked for nothing else and complained of nothing.

    `how` is Playwright's: viewport, color_scheme. Skips the test where there is no browser.
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
        page.goto(path.as_uri())
        yield page
        page.wait_for_timeout(200)  # for what an injected script would do later
        browser.close()
    assert asked == [path.as_uri()] + [url for url in asked if url == "data:,"]
    assert said == []


def figure_at(metrics: dict, path: str) -> float:
    """The number of metrics.json that a figure of the page is named after."""
    names = path.split(".")
    if names[0] == "per_class":
        names[1] = metrics["labels"][int(names[1])]
    for name in names:
        metrics = metrics[int(name)] if isinstance(metrics, list) else metrics[name]
    return metrics
