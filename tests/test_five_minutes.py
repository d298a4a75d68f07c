"""Somebody who has never seen the product: from the README's first command to a verified webhook by the pages alone.

Only what is shown is used: the command that the README gives, the login that the demo prints, links and buttons by
their words, the commands and the secrets of the pages. After the first command nothing of the repository is used: the
receiver is the one that the developer pages have for download.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import expect

from tests import demos, test_demo_path
from tests.conventions.test_documentation_names import fenced
from tests.conventions.tree import read
from tests.programs import need
from tests.servers import free_port

pytestmark = [pytest.mark.clone, pytest.mark.browser, pytest.mark.pure]
FIVE_MINUTES = 300.0
LAST_LINE = "operator, platform"
page = test_demo_path.page  # the fixture: a page of the system's own browser


def first_command():
    """The first command of the README, as it is typed."""
    block = next(block for name, block in fenced("console") if name == "README.md")
    return shlex.split(re.search(r"^\$ (.+)$", block, re.MULTILINE)[1], comments=True)


@contextmanager
def typed(folder, command):
    """Type the command, on a port that is free here, and give what it prints when it serves."""
    words = [sys.executable if word == "python3" else word for word in command]
    words += ["--port", str(demos.free_ports())]
    process = subprocess.Popen(words, cwd=folder, env=demos.environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    lines = []

    def read_on():
        for line in process.stdout:
            lines.append(line)

    threading.Thread(target=read_on, daemon=True).start()
    try:
        serves = demos.eventually(lambda: any(LAST_LINE in line for line in lines), demos.START_SECONDS)
        assert serves, f"not serving:\n{''.join(lines)}"
        yield "".join(lines)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=demos.STOP_SECONDS)
        process.kill()


class Newcomer:
    """Clicks on what can be seen, by its words; fails where it is not on the page."""

    def __init__(self, page):
        self.page, self.clicked = page, []

    def click(self, words, role="link"):
        """Click on the one thing of these words within the page's own part, else in the navigation."""
        for part in (self.page.locator("main"), self.page.locator("nav")):
            found = part.get_by_role(role, name=words, exact=True).locator("visible=true")
            if found.count():
                break
        assert found.count(), f"no {role} “{words}” on {self.page.url}: {self.page.locator('main').inner_text()}"
        self.clicked.append(words)
        found.first.click()
        self.page.wait_for_load_state()

    def fill(self, label, text):
        """Write into the field of a label."""
        self.page.get_by_label(label, exact=True).fill(text)

    def title(self):
        return self.page.locator("h1").first.inner_text()


def test_from_the_first_command_to_a_verified_webhook_in_five_minutes(tmp_path, page):
    folder, port = demos.clone_to(tmp_path / "clone"), free_port()
    began = time.monotonic()
    with typed(folder, first_command()) as told:
        newcomer = Newcomer(page)
        sign_in(newcomer, told)
        call = create_key(newcomer)
        answer = json.loads(subprocess.run(["bash", "-c", call], capture_output=True, check=True, timeout=20).stdout)
        assert answer["organization"]["slug"] == "acme" and answer["key"]["name"] == "My first key"
        commands = read_how_to_receive(newcomer)
        secret = add_endpoint(newcomer, f"http://127.0.0.1:{port}/")
        with receiver(tmp_path / "mine", commands, secret, port) as output:
            send_test(newcomer)
            verified = re.fullmatch(r"listening on \S+\nverified (evt_\w+) order\.created\n", output.read_text())
        assert verified, output.read_text()
        look_at_it(newcomer, verified[1])
        seconds = time.monotonic() - began
    print(f"\n{seconds:.0f} s, {len(newcomer.clicked)} clicks: {' → '.join(newcomer.clicked)}")
    assert seconds < FIVE_MINUTES
    the_readme_names(newcomer.clicked)


def sign_in(newcomer, told):
    """With the address and the owner's login that the demo prints."""
    newcomer.page.goto(re.search(r"The portal is at (\S+) until", told)[1])
    email, password = re.search(r"^  (\S+)\s+(\S+)\s+owner, acme$", told, re.MULTILINE).groups()
    newcomer.fill("E-mail address", email)
    newcomer.fill("Password", password)
    newcomer.click("Sign in", "button")
    assert newcomer.title() == "Integration"


def create_key(newcomer):
    """By the navigation; gives the first call that the page shows."""
    newcomer.click("API keys")
    newcomer.click("Create API key")
    newcomer.page.get_by_role("radio", name=re.compile("^Partner")).check(force=True)
    newcomer.click("Next", "button")
    newcomer.fill("Name", "My first key")
    newcomer.click("Create API key", "button")
    assert newcomer.title() == "Save your key now"
    call = newcomer.page.locator("pre:visible", has_text="curl").first.inner_text()
    close(newcomer)
    assert newcomer.title() == "My first key"
    return call


def close(newcomer):
    """Say that the secret was saved; only then does the page let go."""
    newcomer.page.get_by_role("checkbox", name=re.compile("^I have saved this")).check()
    newcomer.click("Close")


def read_how_to_receive(newcomer):
    """On the developer pages; gives the commands that download and run a receiver."""
    newcomer.click("For developers")
    newcomer.click("Webhooks")
    assert "This installation also accepts http://127.0.0.1:9000" in newcomer.page.locator("main").inner_text()
    return newcomer.page.locator("#receiver-start").inner_text().strip()


@contextmanager
def receiver(folder, commands, secret, port):
    """Type the commands in an empty folder, with the signing secret, on a free port; give the file of the output."""
    need("curl")
    folder.mkdir()
    download, run = commands.replace("whsec_…", shlex.quote(secret)).splitlines()
    environment = {**os.environ, "PORT": str(port)}
    subprocess.run(["bash", "-c", download], cwd=folder, env=environment, check=True, capture_output=True, timeout=20)
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(["bash", "-c", f"exec env {run}"], cwd=folder, env=environment, stdout=file)
    try:
        assert demos.eventually(lambda: "listening" in output.read_text())
        yield output
    finally:
        process.kill()
        process.wait()


def add_endpoint(newcomer, url):
    """With the receiver's own address and every event; gives the signing secret that the page shows."""
    newcomer.click("Add endpoint")
    newcomer.fill("URL", url)
    newcomer.page.get_by_label("All, also those added later").check(force=True)
    newcomer.click("Add endpoint", "button")
    assert newcomer.title() == "Save the signing secret now"
    secret = newcomer.page.get_by_role("textbox", name=re.compile("^Signing secret of")).inner_text()
    close(newcomer)
    return secret


def send_test(newcomer):
    """From the page that follows."""
    newcomer.click("Send test")
    newcomer.page.get_by_role("combobox").locator("visible=true").first.select_option("order.created")
    newcomer.click("Send test", "button")
    expect(newcomer.page.get_by_text("It arrived.")).to_be_visible(timeout=20_000)


def look_at_it(newcomer, event_id):
    """The same delivery, on the portal's side."""
    newcomer.click("Request, response and headers of this test")
    expect(newcomer.page.locator("main")).to_contain_text(event_id)
    expect(newcomer.page.locator("main")).to_contain_text("204")


def the_readme_names(clicked):
    """The README tells the same way, in the same words and order."""
    text = read("README.md").partition("Sign in as the owner")[2].partition("\n\n")[0]
    steps = [step.strip() for way in re.findall(r"\*([^*]+)\*", text) for step in way.split("→")]
    assert len(steps) == 5
    places = [clicked.index(step) for step in steps]
    assert places == sorted(places)
