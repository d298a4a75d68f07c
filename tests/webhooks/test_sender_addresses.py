"""Nothing is dialled but what was checked: bad answers, flipping names, redirects, certificates."""

import random
from ipaddress import ip_address

import pytest

from apps.base.outbound import CaresResolver, DnsResult, Lookup
from tests.base.bad_urls import all_bad_urls
from tests.name_server import NameServer
from tests.receivers import Receiver, make_certificates, redirect
from tests.senders import STRICT, StubResolver, refuse_into, send

pytestmark = pytest.mark.pure


def test_a_redirect_is_not_followed(make_sender, receiver) -> None:
    with Receiver() as canary:
        receiver.behaviour = redirect(canary.url, 307)
        assert send(make_sender(), receiver.url).error == "redirected"
        assert canary.connections == 0


# Every answer here holds at least one address that must not be dialled.
BAD_ANSWERS = [
    ["127.0.0.1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["0.0.0.0"],
    ["::1"],
    ["::"],
    ["::ffff:127.0.0.1"],
    ["::ffff:8.8.8.8"],
    ["64:ff9b::a9fe:a9fe"],
    ["2002:7f00:1::"],
    ["fe80::1"],
    ["fd00:ec2::254"],
    ["192.168.1.1"],
    ["100.64.0.1"],
    ["224.0.0.1"],
    ["8.8.8.8", "10.0.0.1"],
    ["10.0.0.1", "8.8.8.8"],
    ["8.8.8.8", "::1"],
    ["2606:4700::1", "fc00::1"],
    ["8.8.8.8"] * 20 + ["127.0.0.1"],
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
@pytest.mark.parametrize("name", ["hooks.example.com", "metadata.google.internal", "127.0.0.1.nip.io"])
def test_one_bad_answer_refuses_the_name(make_sender, name: str, answer: list[str]) -> None:
    connected_address: list[tuple[str, int]] = []
    sender = make_sender(
        policy=STRICT, resolver=StubResolver({name: [answer]}), on_socket=refuse_into(connected_address)
    )
    assert send(sender, f"https://{name}/").refused and connected_address == []


@pytest.mark.parametrize(
    ("url", "answers", "expected"),
    [
        ("https://hooks.example.com/", ["93.184.215.14"], {("93.184.215.14", 443)}),
        ("https://hooks.example.com:8443/", ["2606:4700::1"], {("2606:4700::1", 8443)}),
        ("https://8.8.4.4/", [], {("8.8.4.4", 443)}),
        ("https://[2606:4700::2]/", [], {("2606:4700::2", 443)}),
        ("https://a.b/", ["93.184.215.14", "2606:4700::1"], {("93.184.215.14", 443), ("2606:4700::1", 443)}),
    ],
)
def test_only_what_was_checked_is_dialled(make_sender, url: str, answers: list[str], expected: set) -> None:
    connected_address: list[tuple[str, int]] = []
    names = {host: [answers] for host in ("hooks.example.com", "a.b")}
    send(make_sender(policy=STRICT, resolver=StubResolver(names), on_socket=refuse_into(connected_address)), url)
    assert set(connected_address) == expected


def test_localhost_is_dialled_at_the_loopback_address_and_named_as_it_was_written(make_sender, receiver) -> None:
    """Also on a handle that was used before, and without a look-up."""
    resolver = StubResolver()
    sender = make_sender(resolver=resolver)
    for _number in range(2):
        outcome = send(sender, f"http://localhost:{receiver.port}/hook")
        assert (outcome.error, outcome.address) == (None, "127.0.0.1")
    assert receiver.requests[0].headers["host"] == f"localhost:{receiver.port}" and resolver.asked == []
    assert send(sender, receiver.url).error is None


@pytest.mark.parametrize(
    "url",
    ["https://10.0.0.1/", "https://0x7f.1/", "https://localhost/", "https://u@a.b/", "http://a.b/", "x", ""],
)
def test_a_url_that_would_not_be_saved_is_not_sent_to_either(make_sender, url: str) -> None:
    connected_address: list[tuple[str, int]] = []
    outcome = send(make_sender(policy=STRICT, on_socket=refuse_into(connected_address)), url)
    assert outcome.refused and outcome.error == "connection_failed" and connected_address == []


def mutated(chance: random.Random, url: str) -> str:
    """The URL with one to three characters deleted, doubled, or replaced by one that parsers care about."""
    text = list(url)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(text) + 1)
        text[place : place + chance.randint(0, 1)] = chance.choice(
            ["", *"@\\/#?:.%[]0x1７。\t\r\n \0", "%2e", "::", "//"]
        )
    return "".join(text)


def test_thousands_of_mutated_urls_reach_nothing_inside(make_sender) -> None:
    chance, urls = random.Random(13), list(all_bad_urls())
    connected_address: list[tuple[str, int]] = []

    class EveryNameIsInside(StubResolver):
        def lookup(self, name: str, organization_id: object) -> Lookup:
            return Lookup(name, organization_id, DnsResult((ip_address("127.0.0.1"),)))

    sender = make_sender(policy=STRICT, resolver=EveryNameIsInside(), on_socket=refuse_into(connected_address))
    for _ in range(3000):
        assert send(sender, mutated(chance, chance.choice(urls))).error == "connection_failed"
    # A mutation can be a public address; the standard library decides here, not our table.
    assert [address for address, _port in connected_address if not ip_address(address).is_global] == []


def test_a_flipping_name_is_dialled_where_it_was_checked(make_sender, certificates) -> None:
    """Public first, private later: each request dials its own checked answer, also on a handle used before."""
    connected_address: list[tuple[str, int]] = []
    answers = {"hooks.example.com": [["93.184.215.14"], ["127.0.0.1"], ["93.184.215.15"]]}
    sender = make_sender(policy=STRICT, resolver=StubResolver(answers), on_socket=refuse_into(connected_address))
    outcomes = [send(sender, "https://hooks.example.com/") for _ in range(3)]
    assert [outcome.refused for outcome in outcomes] == [True, True, True]
    assert connected_address == [("93.184.215.14", 443), ("93.184.215.15", 443)]
    send(sender, "https://8.8.8.8/")
    answers["hooks.example.com"] = [["93.184.215.16"]]
    send(sender, "https://hooks.example.com/")
    assert connected_address[-2:] == [("8.8.8.8", 443), ("93.184.215.16", 443)]


def test_an_open_connection_does_not_outlive_the_verdict(make_sender, certificates) -> None:
    answers = {"hooks.example.com": [["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]}
    with Receiver(tls=certificates.context) as receiver:
        sender = make_sender(resolver=StubResolver(answers), ca_file=certificates.ca_file)
        outcomes = [send(sender, f"https://hooks.example.com:{receiver.port}/") for _ in range(3)]
        assert [outcome.error for outcome in outcomes] == [None, None, "connection_failed"]
        assert len(receiver.requests) == 2 and receiver.connections == 1


def test_a_real_look_up_failure_and_a_private_answer(make_sender) -> None:
    with NameServer() as names:
        names.records = {"in.example": ["93.184.215.14", "fd00::1"]}
        sender = make_sender(policy=STRICT, resolver=CaresResolver([names.server]))
        missing, private = send(sender, "https://no.example/"), send(sender, "https://in.example/")
        assert (missing.error, missing.hint) == ("dns_failed", "dns_no_such_name") and missing.timings_ms[
            "dns"
        ] is not None
        assert (private.error, private.refused, private.timings_ms["dns"]) == (
            "connection_failed",
            True,
            None,
        )


def test_a_name_over_tls_tells_all_phases(make_sender, certificates) -> None:
    with Receiver(tls=certificates.context) as receiver:
        sender = make_sender(
            resolver=StubResolver({"hooks.example.com": [["127.0.0.1"]]}), ca_file=certificates.ca_file
        )
        first, second = (send(sender, f"https://hooks.example.com:{receiver.port}/") for _ in range(2))
        assert first.error is None and None not in first.timings_ms.values()
        assert second.error is None and receiver.connections == 1, "the connection is used again"
        assert receiver.requests[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_a_certificate_must_be_trusted_valid_and_for_this_name(make_sender, certificates, tmp_path) -> None:
    expired = make_certificates(tmp_path, "hooks.example.com", days=-1)
    answers = StubResolver({name: [["127.0.0.1"]] for name in ("hooks.example.com", "other.example.com")})
    with (
        Receiver(tls=certificates.context) as good,
        Receiver(tls=expired.context) as old,
        Receiver() as plain,
    ):
        plain.greeting = b"SSH-2.0-OpenSSH_9.2\r\n"
        cases = [
            (f"https://other.example.com:{good.port}/", certificates.ca_file, "certificate_wrong_host"),
            (f"https://hooks.example.com:{good.port}/", None, "certificate_chain_incomplete"),
            (f"https://hooks.example.com:{old.port}/", expired.ca_file, "certificate_expired"),
            (f"https://hooks.example.com:{plain.port}/", None, "not_tls"),
        ]
        for url, ca_file, hint in cases:
            outcome = send(make_sender(resolver=answers, ca_file=ca_file), url)
            assert (outcome.error, outcome.hint, outcome.status_code) == ("tls_failed", hint, None)
        assert good.requests == old.requests == []


def test_a_stalling_handshake_times_out(make_sender, certificates) -> None:
    with Receiver(tls=certificates.context) as receiver:
        receiver.stalls_tls = True
        outcome = send(make_sender(), f"https://127.0.0.1:{receiver.port}/", timeout_ms=500)
        assert outcome.error == "timed_out" and 450 < outcome.duration_ms < 900
