"""The receivers of ``apps/webhooks/receivers``: a complete program for each language that verifies webhooks.

Pages show them, ``/docs/receivers/`` serves them as files, and ``docs/verify-webhooks.md`` links to them.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse

SECRET_NAME = "WEBHOOK_SECRET"  # noqa: S105  a variable's name
FOLDER = Path(__file__).resolve().parents[1] / "receivers"


class Receiver(NamedTuple):
    """The receiver of a language: its file and the command that runs it.

    ``raw_body``: frameworks, each with the code that returns the body as it was sent.
    ``library``: what installs the Standard Webhooks library.
    """

    key: str
    title: str
    file: str
    run: str
    raw_body: tuple[tuple[str, str], ...]
    library: str


RECEIVERS = (
    Receiver(
        "python",
        "Python",
        "receiver.py",
        "python3 receiver.py",
        (("Django", "request.body"), ("Flask", "request.get_data()"), ("FastAPI", "await request.body()")),
        "pip install standardwebhooks",
    ),
    Receiver(
        "node",
        "Node",
        "receiver.mjs",
        "node receiver.mjs",
        (("Express", 'express.raw({ type: "application/json" })'),),
        "npm install standardwebhooks",
    ),
    Receiver(
        "go",
        "Go",
        "receiver.go",
        "go run receiver.go",
        (("net/http", "io.ReadAll(request.Body)"),),
        "go get github.com/standard-webhooks/standard-webhooks/libraries",
    ),
    Receiver(
        "php",
        "PHP",
        "receiver.php",
        "php -S 127.0.0.1:9000 receiver.php",
        (("Laravel, Symfony", "$request->getContent()"),),
        "composer require standard-webhooks/standard-webhooks",
    ),
    Receiver(
        "ruby",
        "Ruby",
        "receiver.rb",
        "ruby receiver.rb",
        (("Rails", "request.raw_post"),),
        "gem install standardwebhooks",
    ),
    Receiver(
        "java",
        "Java",
        "Receiver.java",
        "java Receiver.java",
        (("Spring", "@RequestBody byte[] body"),),
        'implementation("com.standardwebhooks:standardwebhooks:1.+")',
    ),
)

TYPE_HANDLERS = {
    "python": """def handle(event_id, event):
    if event["type"] == "{type}":
        data = event["data"]
""",
    "node": """function handle(eventId, event) {{
  if (event.type === "{type}") {{
    const data = event.data;
  }}
}}
""",
}


def receiver_for(language: str) -> Receiver:
    """Return the receiver of a language, by default Python's."""
    return next((each for each in RECEIVERS if each.key == language), RECEIVERS[0])


@cache
def source_code(file: str) -> str:
    """Return the text of a receiver's file."""
    return (FOLDER / file).read_text(encoding="utf-8")


def language_tabs(page_url: str, chosen: Receiver) -> list[dict[str, Any]]:
    """Return the tabs of the languages; ``page_url`` ends where the language follows, as in ``?lang=``."""
    return [
        {"url": f"{page_url}{each.key}#receiver", "label": each.title, "current": each is chosen} for each in RECEIVERS
    ]


def receiver_context(chosen: Receiver) -> dict[str, Any]:
    """Return what ``webhooks/_receiver.html`` shows."""
    download_url = reverse("docs_receiver", args=[chosen.file])
    start = f"curl -fO {settings.PUBLIC_URL}{download_url}\n{SECRET_NAME}=whsec_… {chosen.run}\n"
    return {**chosen._asdict(), "code": source_code(chosen.file), "download_url": download_url, "start": start}


def code_for_type(language: str, event_type: str) -> str:
    """Return code of a receiver that handles one event type."""
    return TYPE_HANDLERS[language].format(type=event_type)
