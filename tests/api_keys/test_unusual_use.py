"""Unusual use of a key is reported with its evidence; usual use never is."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.api_keys import notifications
from apps.api_keys.models import ApiKey, KeyHabit
from apps.api_keys.notifications import unusual_use, usage_baseline
from apps.api_keys.notifications.networks import network_of
from apps.audit.models import UsageHour
from apps.notices.models import Notice
from apps.orgs.mail.jobs import mail_notices, send_due_mail
from tests.alerts import published
from tests.engines import in_threads

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 30, 12, 20, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
HOME = "203.0.113.24"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def key(acme, make_key) -> ApiKey:
    return make_key(acme, name="Warehouse sync").row


def use(key: ApiKey, hour: datetime, calls: int = 1, address: str = HOME, status: str = "2xx", route: str = "/v1/me"):
    UsageHour.objects.create(
        organization_id=key.organization_id, credential_id=key.pk, hour=hour, method="GET", route=route,
        status_class=status, address=address, calls=calls, last_at=hour,
    )  # fmt: skip


def lived(key: ApiKey, days: int = 20, calls: int = 10, every: int = 2, **values) -> None:
    """Some weeks of calls, until three hours ago."""
    for back in range(3, days * 24, every):
        use(key, THIS_HOUR - timedelta(hours=back), calls, **values)


def seen() -> list[dict]:
    return [data for _name, data in published("api_key.unusual_use")]


# Far more calls


def test_a_rate_far_over_its_own_is_told_with_the_figures(key):
    lived(key)
    use(key, THIS_HOUR, 700)
    use(key, THIS_HOUR, 50, status="4xx", address="198.51.100.7")
    KeyHabit.objects.create(
        key=key, learned_at=NOW - timedelta(hours=3), networks=["203.0.113.0/24", "198.51.100.0/24"]
    )
    assert unusual_use.detect_unusual_use() == 1 and unusual_use.detect_unusual_use() == 0
    [data] = seen()
    assert data == {
        "id": key.public_id, "name": "Warehouse sync", "type": "partner", "mask": key.mask, "pattern": "rate",
        "reason": "750 calls in one hour; never more than 10 in the four weeks before",
        "calls": 750, "hour": "2026-03-30T12:00:00Z", "busiest_hour": 10, "address": HOME,
    }  # fmt: skip


def test_the_evidence_stands_on_the_page_and_in_the_mail(key, ada, dev, vera, browser_of):
    lived(key)
    use(key, THIS_HOUR, 750)
    unusual_use.detect_unusual_use()
    page = browser_of(ada).get("/o/acme/settings/integration/api-keys/").content.decode()
    mail_notices()
    send_due_mail()
    assert [message.to for message in mail.outbox] == [["ada@acme.example"]]
    for text in (page, mail.outbox[0].body):
        assert "750 calls in the hour from 2026-03-30T12:00:00Z, most of them from 203.0.113.24" in text
        assert "never more than 10 in an hour" in text


@pytest.mark.parametrize(
    ("usual", "calls"),
    [(10, unusual_use.RATE_MIN_CALLS - 1), (400, 3 * 400 - 1), (5000, 5000), (200, 500)],
    ids=["too few to matter", "less than three times", "as ever", "between"],
)
def test_a_rate_that_is_within_bounds_is_not(key, usual, calls):
    lived(key, calls=usual)
    use(key, THIS_HOUR, calls)
    assert unusual_use.detect_unusual_use() == 0


def test_a_new_key_has_no_usage_baseline_yet(key):
    lived(key, days=6)
    use(key, THIS_HOUR, 5000)
    assert unusual_use.detect_unusual_use() == 0


def test_the_hour_before_counts_as_well_and_midnight_does_not_tell_it_twice(key, clock):
    lived(key)
    late = THIS_HOUR.replace(hour=23)
    use(key, late, 900)
    clock.move_to(late + timedelta(minutes=50))
    assert unusual_use.detect_unusual_use() == 1
    clock.move_to(late + timedelta(minutes=80))
    assert unusual_use.detect_unusual_use() == 0


def test_the_next_day_it_is_told_again_unless_it_has_become_usual(key, clock):
    lived(key)
    use(key, THIS_HOUR, 600)
    assert unusual_use.detect_unusual_use() == 1
    clock.shift(timedelta(days=1))
    use(key, THIS_HOUR + timedelta(days=1), 1700)
    assert unusual_use.detect_unusual_use() == 0
    clock.shift(timedelta(days=1))
    use(key, THIS_HOUR + timedelta(days=2), 5100)
    assert unusual_use.detect_unusual_use() == 1


def test_a_key_idle_for_weeks_keeps_its_usage_baseline(key, clock):
    lived(key)
    use(key, THIS_HOUR, 10)
    unusual_use.detect_unusual_use()
    clock.shift(timedelta(days=40))
    use(key, THIS_HOUR + timedelta(days=40), 900, address="198.51.100.7")
    assert unusual_use.detect_unusual_use() == 2
    assert sorted(data["pattern"] for data in seen()) == ["network", "rate"]


# A new network


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.24", "203.0.113.0/24"), ("::ffff:203.0.113.24", "203.0.113.0/24"),
     ("2001:db8:1:2::3", "2001:db8:1::/48"), ("2001:db8::1", "2001:db8::/48"), ("", None), ("unknown", None)],
)  # fmt: skip
def test_networks_are_24_and_48_bits_wide(address, network):
    assert network_of(address) == network


def test_the_first_call_from_a_new_network_is_told_once(key):
    lived(key)
    use(key, THIS_HOUR, address="198.51.100.7", status="4xx")
    use(key, THIS_HOUR, address="198.51.100.8")
    assert unusual_use.detect_unusual_use() == 1 and unusual_use.detect_unusual_use() == 0
    [data] = seen()
    assert (data["pattern"], data["network"], data["address"]) == ("network", "198.51.100.0/24", "198.51.100.7")
    assert (
        data["known_networks"] == ["203.0.113.0/24"] and data["reason"] == "First call from the network 198.51.100.0/24"
    )
    words = Notice.objects.get().params
    assert (words["known_networks"], words["network"]) == ("203.0.113.0/24", "198.51.100.0/24")


def test_another_host_of_the_same_network_is_not_news(key):
    lived(key)
    use(key, THIS_HOUR, address="203.0.113.99")
    assert unusual_use.detect_unusual_use() == 0


def test_a_network_that_was_allowed_on_purpose_is_not_news(key):
    ApiKey.objects.filter(pk=key.pk).update(allowed_networks=["198.51.100.0/25", "203.0.113.0/24"])
    lived(key)
    use(key, THIS_HOUR, address="198.51.100.7")
    use(key, THIS_HOUR, address="192.0.2.1", status="4xx")
    assert unusual_use.detect_unusual_use() == 1
    assert seen()[0]["network"] == "192.0.2.0/24"


def test_a_key_that_is_used_from_everywhere_is_not_told_of(key):
    for number in range(unusual_use.MAX_KNOWN_NETWORKS + 1):
        lived(key, every=12, address=f"10.0.{number}.1")
    use(key, THIS_HOUR, address="198.51.100.7")
    assert unusual_use.detect_unusual_use() == 0


def test_a_flood_of_networks_is_told_as_a_few(key):
    lived(key)
    for number in range(30):
        use(key, THIS_HOUR, address=f"10.0.{number}.1")
    assert unusual_use.detect_unusual_use() == unusual_use.MAX_NETWORK_ALERTS
    assert unusual_use.detect_unusual_use() == 0


@pytest.mark.parametrize(("days", "every"), [(6, 2), (20, 40)], ids=["young", "hardly used"])
def test_without_history_a_network_is_added_without_a_notice(key, days, every, clock):
    lived(key, days=days, every=every, calls=1)
    use(key, THIS_HOUR, address="198.51.100.7")
    assert unusual_use.detect_unusual_use() == 0
    assert KeyHabit.objects.get().networks == ["203.0.113.0/24", "198.51.100.0/24"]


def test_what_came_while_no_worker_ran_is_told_later(key, clock):
    lived(key)
    use(key, THIS_HOUR)
    assert unusual_use.detect_unusual_use() == 0
    use(key, THIS_HOUR + timedelta(hours=4), address="198.51.100.7")
    clock.shift(timedelta(hours=25))
    use(key, THIS_HOUR + timedelta(hours=25))
    assert unusual_use.detect_unusual_use() == 1
    assert seen()[0]["network"] == "198.51.100.0/24"


# Refusals


def test_a_burst_of_refusals_is_told_with_its_share(key):
    lived(key)
    use(key, THIS_HOUR - timedelta(hours=1), 30, status="429")
    use(key, THIS_HOUR, 40, status="4xx")
    use(key, THIS_HOUR, 20)
    assert unusual_use.detect_unusual_use() == 1 and unusual_use.detect_unusual_use() == 0
    [data] = seen()
    assert (data["pattern"], data["refused"], data["limited"], data["calls"]) == ("refusals", 70, 30, 90)
    assert (data["since"], data["reason"]) == ("2026-03-30T11:00:00Z", "70 of 90 calls were refused")


def test_it_needs_no_history(key):
    use(key, THIS_HOUR, 60, status="4xx")
    assert unusual_use.detect_unusual_use() == 1


@pytest.mark.parametrize(("refused", "well"), [(49, 0), (60, 61), (5, 5)])
def test_few_refusals_or_a_small_share_are_everyday(key, refused, well):
    use(key, THIS_HOUR, refused, status="4xx")
    if well:
        use(key, THIS_HOUR, well)
    assert unusual_use.detect_unusual_use() == 0


def test_a_program_that_is_always_answered_404_is_not_told_of(key):
    lived(key, status="4xx")
    lived(key, calls=12)
    use(key, THIS_HOUR, 300, status="4xx")
    assert unusual_use.detect_unusual_use() == 0


# Which keys


@pytest.mark.parametrize("state", ["revoked_at", "disabled_at", "quarantined_at", "expires_at"])
def test_keys_that_are_off_or_flagged_already_are_not_judged(key, state):
    lived(key)
    use(key, THIS_HOUR, 900, address="198.51.100.7", status="4xx")
    ApiKey.objects.filter(pk=key.pk).update(**{state: timezone.now()})
    assert unusual_use.detect_unusual_use() == 0 and not Notice.objects.exists()


def test_a_key_is_compared_with_itself_alone(key, make_key, rival):
    lived(key)
    theirs = make_key(rival).row
    lived(theirs, calls=900, address="198.51.100.7")
    use(key, THIS_HOUR, 10)
    use(theirs, THIS_HOUR, 900, address="198.51.100.7")
    assert unusual_use.detect_unusual_use() == 0


def test_calls_of_keys_of_another_kind_are_left_alone(acme, key):
    use(ApiKey(organization_id=acme.pk), THIS_HOUR, 5000)
    assert unusual_use.detect_unusual_use() == 0


def test_a_rotation_takes_it_off_the_pages(key):
    lived(key)
    use(key, THIS_HOUR, 900)
    unusual_use.detect_unusual_use()
    assert notifications.resolve_for(key) == 1 and not Notice.objects.open().exists()


# Guards against false alarms


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mean=st.integers(1, 4000),
    swing=st.floats(0, 0.4),
    every=st.integers(1, 24),
    hosts=st.integers(1, 250),
    refused=st.integers(0, 40),
    data=st.data(),
)
def test_a_steady_key_is_never_told_of(key, mean, swing, every, hosts, refused, data):
    """Whatever its rhythm: each hour within its own swing around a mean, some calls refused, one network."""
    UsageHour.objects.all().delete()
    KeyHabit.objects.all().delete()
    least, most = max(1, int(mean * (1 - swing))), int(mean * (1 + swing)) + 1
    rows = [
        (THIS_HOUR - timedelta(hours=back), data.draw(st.integers(least, most)))
        for back in range(0, 20 * 24, every * 4)
    ]
    UsageHour.objects.bulk_create(_rows(key, rows, hosts, refused))
    assert unusual_use.detect_unusual_use() == 0


def _rows(key: ApiKey, rows: Iterable[tuple[datetime, int]], hosts: int, refused: int) -> list[UsageHour]:
    found = []
    for number, (hour, calls) in enumerate(rows):
        bad = calls * refused // 100
        for status, count in (("2xx", calls - bad), ("4xx", bad)):
            if count:
                found.append(
                    UsageHour(
                        organization_id=key.organization_id, credential_id=key.pk, hour=hour, method="GET",
                        route="/v1/me", status_class=status, address=f"203.0.113.{1 + number % hosts}", calls=count,
                        last_at=hour,
                    )
                )  # fmt: skip
    return found


# Cost and several workers


def test_many_keys_cost_few_statements(acme, make_key, django_assert_max_num_queries):
    for number in range(30):
        key = make_key(acme, name=f"Key {number}").row
        lived(key, days=9, every=20)
        use(key, THIS_HOUR, 100)
    with django_assert_max_num_queries(8):
        assert unusual_use.detect_unusual_use() == 0
    with django_assert_max_num_queries(2):
        assert unusual_use.detect_unusual_use() == 0


def test_usage_baselines_are_recomputed_once_a_day(key, clock):
    lived(key)
    use(key, THIS_HOUR)
    unusual_use.detect_unusual_use()
    assert not usage_baseline.is_stale(KeyHabit.objects.get(), timezone.now())
    clock.shift(timedelta(hours=25))
    assert usage_baseline.is_stale(KeyHabit.objects.get(), timezone.now())
    habit = KeyHabit.objects.get()
    assert (habit.calls, habit.hours, habit.busiest_hour, habit.refused) == (2390, 239, 10, 0)
    assert habit.first_hour == THIS_HOUR - timedelta(hours=479)


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_send_one_notice(acme, make_key):
    for number in range(8):
        key = make_key(acme, name=f"Key {number}").row
        lived(key, days=9, every=20)
        use(key, THIS_HOUR, 900, address="198.51.100.7")
    assert sum(in_threads(4, lambda _number: unusual_use.detect_unusual_use())) == 16
    assert len(seen()) == 16 == Notice.objects.count()
