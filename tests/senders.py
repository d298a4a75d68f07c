"""Send webhook requests: a resolver that answers at once, a request, and ways to wait for its outcome."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from apps.base.outbound import AddressPolicy, DnsResult, Lookup
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.sender import OutboundRequest, Sender

LOCAL = AddressPolicy(allowed=((ip_network("127.0.0.0/8"), None),))


STRICT = AddressPolicy()


HEADERS = [
    ("webhook-id", "evt_1"),
    ("content-type", "application/json"),
    ("user-agent", "IntegrationsPortal/1"),
]


BODY = b'{"type":"order.created"}'


@dataclass
class StubResolver:
    """Answers at once, from a list of answers for each name; the last one stays."""

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def lookup(self, name: str, organization_id: object) -> Lookup:
        self.asked.append(name)
        answers = self.answers.get(name, [[]])
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return Lookup(name, organization_id, DnsResult(tuple(map(ip_address, addresses)), "dns_no_such_name"))

    def cancel(self, lookup: Lookup) -> None: ...

    def sockets(self) -> tuple[set[int], set[int]]:
        return set(), set()

    def step(self) -> list[Lookup]:
        return []

    def close(self) -> None: ...


def refuse_into(connected_address: list[tuple[str, int]]) -> Callable[[str, int], bool]:
    """A spy that writes down what would be dialled and lets no packet leave."""

    def spy(address: str, port: int) -> bool:
        connected_address.append((address, port))
        return False

    return spy


def request(url: str, token: object = None, timeout_ms: int = 1000, **more: object) -> OutboundRequest:
    return OutboundRequest(token, url, HEADERS, BODY, timeout_ms, **more)  # type: ignore[arg-type]


def run_until_idle(sender: Sender, seconds: float = 5.0) -> list[Outcome]:
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + seconds
    while sender.in_flight and time.monotonic() < deadline:
        outcomes += sender.poll(0.2)
    return outcomes


def send(sender: Sender, url: str, timeout_ms: int = 1000) -> Outcome:
    sender.submit(request(url, timeout_ms=timeout_ms))
    (outcome,) = run_until_idle(sender)
    return outcome


def send_among(sender: Sender, url: str) -> Outcome:
    """Send one request while others are under way, and return its outcome."""
    sender.submit(request(url, "mine"))
    while True:
        for outcome in sender.poll(0.1):
            if outcome.token == "mine":
                return outcome
