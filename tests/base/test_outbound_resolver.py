"""Look-ups against a real name server on loopback: answers, failures, stalls, shares and the cache."""

import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from apps.base.outbound import CaresResolver, Lookup, resolver
from tests.name_server import AAAA, SERVER_FAILURE, A, NameServer

pytestmark = pytest.mark.pure


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.records = {
            "a.example": ["93.184.215.14", "2606:4700::1"],
            "b.example": ["93.184.215.15"],
            "empty.example": [],
        }
        yield server


def make(names: NameServer, **options: float) -> CaresResolver:
    return CaresResolver([names.server], **options)  # type: ignore[arg-type]


def run(asked: CaresResolver, *lookups: Lookup, seconds: float = 3.0) -> list[Lookup]:
    """Step until all of these have their answer or the time is over; return every answered look-up in order."""
    answered: list[Lookup] = []
    deadline = time.monotonic() + seconds
    while any(each.answer is None for each in lookups) and time.monotonic() < deadline:
        answered += asked.step()
        time.sleep(0.002)
    return answered


def test_both_families_are_asked_and_all_addresses_given(names: NameServer) -> None:
    asked = make(names)
    lookup = asked.lookup("a.example")
    assert lookup.answer is None and run(asked, lookup) == [lookup]
    assert set(lookup.answer.addresses) == {ip_address("93.184.215.14"), ip_address("2606:4700::1")}
    assert {kind for _name, kind in names.questions} == {A, AAAA}


def test_an_alias_leads_to_its_addresses(names: NameServer) -> None:
    names.aliases["www.example"] = "b.example"
    asked = make(names)
    lookup = asked.lookup("www.example")
    run(asked, lookup)
    assert lookup.answer.addresses == (ip_address("93.184.215.15"),)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("no.example", "dns_no_such_name"),
        ("empty.example", "dns_no_address"),
        ("broken.example", "dns_server_failed"),
    ],
)
def test_a_failure_is_told_apart(names: NameServer, name: str, hint: str) -> None:
    names.codes["broken.example"] = SERVER_FAILURE
    asked = make(names)
    lookup = asked.lookup(name)
    run(asked, lookup)
    assert lookup.answer.addresses == () and lookup.answer.hint == hint


def test_a_silent_server_is_given_up_at_the_deadline(names: NameServer) -> None:
    names.stalled.add("a.example")
    asked = make(names, lookup_seconds=0.4)
    started = time.monotonic()
    lookup = asked.lookup("a.example")
    run(asked, lookup)
    assert lookup.answer.hint == "dns_timed_out" and 0.35 < time.monotonic() - started < 3


def test_one_silent_family_leaves_the_other(names: NameServer) -> None:
    names.stalled_families["a.example"] = AAAA
    asked = make(names, lookup_seconds=0.3)
    lookup = asked.lookup("a.example")
    run(asked, lookup)
    assert lookup.answer.addresses == (ip_address("93.184.215.14"),)


def test_no_server_at_all_fails_within_the_deadline() -> None:
    asked = CaresResolver(["127.0.0.1:1"], lookup_seconds=1.0)
    lookup = asked.lookup("a.example")
    run(asked, lookup)
    assert lookup.answer.hint in ("dns_server_failed", "dns_timed_out")


def test_a_name_is_asked_once_for_all_who_wait_and_then_kept(names: NameServer) -> None:
    asked = make(names)
    lookups = [asked.lookup("a.example", organization) for organization in range(20)]
    run(asked, *lookups)
    assert asked.lookup("a.example").answer is lookups[0].answer
    assert names.names_asked() == ["a.example"]


def test_the_cache_ends_sooner_for_failures(names: NameServer) -> None:
    now = [0.0]
    asked = CaresResolver([names.server], clock=lambda: now[0])
    run(asked, asked.lookup("b.example"), asked.lookup("no.example"))
    now[0] = resolver.NEGATIVE_SECONDS + 1
    assert asked.lookup("b.example").answer and not asked.lookup("no.example").answer
    now[0] = resolver.POSITIVE_SECONDS + 1
    assert not asked.lookup("b.example").answer


def test_the_cache_is_bounded(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MAX_CACHED", 3)
    asked = make(names)
    for number in range(6):
        run(asked, asked.lookup(f"n{number}.example"))
    assert [bool(asked.lookup(f"n{number}.example").answer) for number in range(6)] == [False] * 3 + [True] * 3


def test_an_organization_with_stalling_names_holds_up_nobody_else(names: NameServer) -> None:
    names.stalled = {f"s{number}.example" for number in range(10)}
    asked = make(names, max_per_organization=4, lookup_seconds=0.5)
    stalled = [asked.lookup(f"s{number}.example", "greedy") for number in range(10)]
    mine, theirs = asked.lookup("a.example", "other"), asked.lookup("b.example", "greedy")
    run(asked, mine, seconds=0.2)
    assert mine.answer.addresses, "another organization is served at once"
    assert len(set(names.names_asked()) & names.stalled) == 4, "only its share is asked at a time"
    assert theirs.answer is None
    run(asked, *stalled, theirs)
    assert theirs.answer.addresses
    assert {each.answer.hint for each in stalled} == {"dns_timed_out"}


def test_a_name_in_another_organizations_line_is_asked_for_who_has_a_place(names: NameServer) -> None:
    names.stalled = {"s.example"}
    asked = make(names, max_per_organization=1, lookup_seconds=0.4)
    asked.lookup("s.example", "greedy")
    waiting, mine = asked.lookup("a.example", "greedy"), asked.lookup("a.example", "other")
    run(asked, mine, seconds=0.2)
    assert mine.answer.addresses and waiting.answer is None
    run(asked, waiting)
    assert waiting.answer is mine.answer and names.names_asked().count("a.example") == 1


def test_a_cancelled_look_up_gets_nothing_and_frees_its_place_in_the_line(names: NameServer) -> None:
    names.stalled = {"s.example"}
    asked = make(names, max_per_organization=1, lookup_seconds=0.3)
    out, in_line, last = (asked.lookup(name, 1) for name in ("s.example", "a.example", "b.example"))
    asked.cancel(out)
    asked.cancel(in_line)
    assert run(asked, last) == [last]
    assert out.answer is None and in_line.answer is None
    assert "a.example" not in names.names_asked()


def test_the_hosts_file_is_not_asked(names: NameServer) -> None:
    asked = make(names)
    lookup = asked.lookup("localhost")
    run(asked, lookup)
    assert lookup.answer.hint == "dns_no_such_name"


def test_closing_with_questions_out_is_quiet(names: NameServer) -> None:
    names.stalled.add("a.example")
    asked = make(names)
    asked.lookup("a.example")
    asked.step()
    asked.close()
    assert asked.sockets() == (set(), set())


def test_slow_names_have_their_whole_time_after_many_quick_ones(names: NameServer) -> None:
    quick = {f"quick{number}.example": ["93.184.215.16"] for number in range(30)}
    slow = {f"slow{number}.example": ["93.184.215.17"] for number in range(8)}
    names.records |= quick | slow
    names.delays = {name: 0.4 + 0.4 * number for number, name in enumerate(slow)}
    asked = make(names)
    for name in quick:
        run(asked, asked.lookup(name))
    lookups = [asked.lookup(name, number) for number, name in enumerate(slow)]
    run(asked, *lookups, seconds=5.5)
    assert [each.answer.hint for each in lookups] == [""] * len(slow)


def test_a_lost_datagram_is_asked_again(names: NameServer) -> None:
    names.stalled.add("b.example")
    asked = make(names)
    lookup = asked.lookup("b.example")
    run(asked, lookup, seconds=0.5)
    names.stalled.clear()
    run(asked, lookup)
    assert lookup.answer.addresses


def test_a_silent_first_server_leaves_the_second(names: NameServer) -> None:
    with NameServer() as silent:
        silent.stalled.add("b.example")
        asked = CaresResolver([silent.server, names.server])
        lookup = asked.lookup("b.example")
        run(asked, lookup)
        assert lookup.answer.addresses


@pytest.mark.parametrize("name", ["late.example", "empty.example"])
def test_a_name_that_comes_into_being_is_found_at_the_next_attempt(names: NameServer, name: str) -> None:
    """Whatever its zone says about how long to remember that it was missing: the first retry comes after 4 s."""
    now = [0.0]
    asked = CaresResolver([names.server], clock=lambda: now[0])
    missing = asked.lookup(name)
    run(asked, missing)
    assert not missing.answer.addresses
    names.records[name] = ["93.184.215.18"]
    now[0] = 0.8  # the shortest wait that a schedule can have: one second less 20 %
    found = asked.lookup(name)
    run(asked, found)
    assert found.answer.addresses == (ip_address("93.184.215.18"),)


def test_a_time_out_of_our_own_is_not_remembered(names: NameServer) -> None:
    names.stalled.add("b.example")
    asked = make(names, lookup_seconds=0.2)
    first = asked.lookup("b.example")
    run(asked, first)
    names.stalled.clear()
    second = asked.lookup("b.example")
    run(asked, second)
    assert first.answer.hint == "dns_timed_out" and second.answer.addresses


def test_an_answer_that_cannot_be_read_fails_its_own_look_up_only(names: NameServer) -> None:
    names.garbled = {f"garbled{number}.example" for number in range(10)}
    names.delays = {"a.example": 0.5, "b.example": 0.5}
    asked = make(names)
    good = [asked.lookup(name) for name in names.delays]
    bad = [asked.lookup(name, name) for name in names.garbled]
    run(asked, *good)
    assert [each for each in good if not each.answer.addresses] == []
    assert sorted(names.names_asked()).count("a.example") == 1, "nobody had to ask again"
    run(asked, *bad)
    assert {each.answer.hint for each in bad} <= {"dns_server_failed", "dns_timed_out"}
