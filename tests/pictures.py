"""Take the pictures of the README from a demo of its own, in docs/images: ``make pictures``.

    .venv/bin/python -m tests.pictures [FOLDER]

Needs a Chromium. Times, ids and keys are new in each run, and the fonts are the machine's, so look at the result before
you commit it. tests/test_pictures.py takes them into a temporary folder.
"""

import argparse
import base64
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests import demos
from tests.programs import CHROMIUM, need

IMAGES = demos.ROOT / "docs/images"
PORT = 8000  # the demo's default, which is shown in the pictures; another one where it is in use
BROWSER = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking", "--no-first-run"]
QUALITY = 92  # below 90, colored text becomes blurred


@dataclass(frozen=True, slots=True)
class Picture:
    """``open_page`` goes to the page from the overview; ``shows`` is a text that must be on it."""

    open_page: Callable[[Page], None]
    shows: str
    width: int = 1280
    height: int = 800
    scheme: str = "light"


def overview(page: Page) -> None:
    """Stay on the page on which signing in ends."""


def api_key(page: Page) -> None:
    """Open a key that is used a lot."""
    follow(page, "API keys")
    follow(page, "Production server")


def webhooks(page: Page) -> None:
    """Open the list of endpoints by its address: on a phone, its link is in a closed menu."""
    page.goto(page.url + "webhooks/")


def delivery(page: Page) -> None:
    """Open the request of the last delivery that failed because its domain name doesn't exist."""
    follow(page, "Webhooks")
    follow(page, "hooks.old-crm.example/in")
    follow(page, "DNS lookup failed")
    follow(page, "Request")


PICTURES = {
    "overview": Picture(overview, "Needs attention", height=860),
    "api-key-dark": Picture(api_key, "Requests, last 24 hours", scheme="dark"),
    "webhooks-phone": Picture(webhooks, "Failing", width=390, height=844),
    "delivery": Picture(delivery, "This domain name doesn't exist."),
}


def follow(page: Page, words: str) -> None:
    """Click on the first visible link of these words."""
    with page.expect_navigation():
        page.get_by_role("link", name=words, exact=True).locator("visible=true").first.click()


def sign_in(page: Page, demo: Any) -> None:
    """Sign in as Acme's owner."""
    login = demo.login("owner")
    page.goto(demo.url)
    page.locator("[name=login]").fill(login["email"])
    page.locator("[name=password]").fill(login["password"])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in", exact=True).click()


def dismiss_notifications(page: Page) -> None:
    """Dismiss the notifications above a page; the demo's worker posts some of them soon after its start."""
    dismiss = page.get_by_role("button", name="Dismiss")
    while dismiss.count():
        with page.expect_navigation():
            dismiss.first.click()


def take(browser: Browser, state: Any, url: str, picture: Picture) -> bytes:
    """Return one picture as WebP."""
    size = {"width": picture.width, "height": picture.height}
    context = browser.new_context(storage_state=state, viewport=size, color_scheme=picture.scheme)
    try:
        page = context.new_page()
        page.goto(url)
        picture.open_page(page)
        dismiss_notifications(page)
        page.reload()  # without the message that they were dismissed
        page.wait_for_load_state("networkidle")
        page.get_by_text(picture.shows).locator("visible=true").first.wait_for()
        page.mouse.move(0, 0)
        options = {"format": "webp", "quality": QUALITY}
        shot = context.new_cdp_session(page).send("Page.captureScreenshot", options)
        return base64.b64decode(shot["data"])
    finally:
        context.close()


def take_all(folder: Path) -> None:
    """Start a demo in a clone and write the pictures into a folder."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need(*CHROMIUM), args=BROWSER)
        port = PORT if not demos.taken(PORT, PORT + 1, PORT + 2) else demos.free_ports()
        with demos.running(demos.clone_to(Path(scratch) / "clone"), port) as demo:
            context = browser.new_context()
            page = context.new_page()
            sign_in(page, demo)
            for name, picture in PICTURES.items():
                content = take(browser, context.storage_state(), page.url, picture)
                (folder / f"{name}.webp").write_bytes(content)
        browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES)
    take_all(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
