"""The chapter on incidents: each is in its table with alerts that lead to its section, and what is to be typed runs."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from benchmarks.clusters import Cluster, cluster, unavailable_reason
from tests.conventions.tree import read
from tests.incidents.stage import RULES, check_page
from tests.test_docs_are_run import sections

pytestmark = pytest.mark.pure

CHAPTER = "When something is wrong"
# A row may name a rule of another fault that fires as well.
AS_WELL = {"PortalAnswersFail", "PortalAttemptsFail", "PortalJobsFail"}
LOOKS = ("df -h", "du -xh", "ps -o", "cat /etc/resolv.conf", "getent ahosts", "psql", "pg_isready")


def rows() -> list[tuple[list[str], str]]:
    """Return alerts and section of each row of the table."""
    table = read("docs/operate.md").partition(f"## {CHAPTER}")[2].partition("\n### ")[0]
    found = re.findall(r"^\| [^|]+ \| ([^|]+) \| \[[^\]]+\]\(#([\w-]+)\) \|$", table, re.MULTILINE)
    return [(re.findall(r"`(\w+)`", alerts), section) for alerts, section in found]


def test_twelve_incidents_are_listed_and_their_alerts_lead_to_their_sections():
    assert len(rows()) == 12
    for alerts, section in rows():
        assert alerts
        assert {check_page(alert) for alert in alerts if alert not in AS_WELL} <= {section, "the-queue-stands-still"}


def test_every_alert_leads_to_a_section():
    assert [alert for alert in RULES if not check_page(alert)] == []


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Cluster]:
    """A server to look at."""
    if reason := unavailable_reason():
        pytest.skip(reason)
    with cluster() as made:
        yield made


@pytest.mark.long
def test_what_it_says_to_look_at_can_be_looked_at(postgresql: Cluster):
    typed = [command for command in sections("docs/operate.md")[CHAPTER] if command.startswith(LOOKS)]
    assert len(typed) >= 9
    replaced = {"/var /srv": "/etc/ssl", "hooks.customer.example": "localhost", "-C python": "-C bash"}
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": postgresql.url}
    for command in typed:
        words = command
        for written, here in replaced.items():
            words = words.replace(written, here)
        done = subprocess.run(["bash", "-c", words], env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and done.stdout, (command, done.stderr)
