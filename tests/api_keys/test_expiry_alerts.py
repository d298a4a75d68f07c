"""Before a key expires its owners hear of it, at each step once; and once that it has grown old."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from apps.api_keys import actions, notifications
from apps.api_keys.actions import Lifetime
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import expiry, posting
from apps.base.actor import system
from apps.base.extension_points.periodic_jobs import JobFailed
from apps.notices.models import Notice
from apps.orgs.mail.jobs import mail_notices, send_due_mail
from apps.orgs.models import Organization
from apps.webhooks.models import Event
from tests.alerts import published
from tests.engines import in_threads
from tests.servers import free_port

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def key(acme, make_key):
    return make_key(acme, name="Warehouse sync", lifetime=Lifetime.days(90)).row


def steps() -> list[tuple[str, int]]:
    """Each event that was published, with its days left."""
    return [(name, data["days_left"]) for name, data in published("api_key.expir")]


def test_each_step_is_announced_once(clock, key):
    for day in range(95):
        clock.move_to(START + timedelta(days=day, minutes=1))
        expiry.announce_expiries()
        expiry.announce_expiries()
    expiring = "api_key.expiring"
    assert steps() == [(expiring, 30), (expiring, 14), (expiring, 7), (expiring, 1), ("api_key.expired", 0)]
    assert (
        Notice.objects.filter(kind=expiring).count() == 4 and Notice.objects.filter(kind="api_key.expired").count() == 1
    )


def test_only_the_last_step_is_shown_on_pages(clock, key, ada, browser_of):
    for day in (60, 76, 83):
        clock.move_to(START + timedelta(days=day, minutes=1))
        expiry.announce_expiries()
    notice = Notice.objects.open().get()
    assert (notice.severity, notice.params["days_left"], notice.params["expires_on"]) == ("warn", 7, "2026-05-31")
    page = browser_of(ada).get("/o/acme/settings/integration/api-keys/").content.decode()
    assert "The API key “Warehouse sync” expires on 31 May 2026" in page


def test_the_event_says_when_and_how_long(clock, key):
    clock.move_to(START + timedelta(days=83, hours=1))
    expiry.announce_expiries()
    [(_name, data)] = published("api_key.expir")
    assert data == {
        "id": key.public_id, "name": "Warehouse sync", "type": "partner", "mask": key.mask,
        "expires_at": "2026-05-31T09:00:00Z", "days_left": 7,
    }  # fmt: skip


def test_after_an_outage_only_the_nearest_step_is_announced(clock, key):
    clock.move_to(START + timedelta(days=84))
    expiry.announce_expiries()
    assert steps() == [("api_key.expiring", 6)]
    clock.move_to(START + timedelta(days=120))
    expiry.announce_expiries()
    assert steps()[1:] == [("api_key.expired", 0)]


@pytest.mark.parametrize(
    ("days", "announced"),
    [(1, []), (2, [1]), (5, [1]), (7, [1]), (8, [7, 1]), (14, [7, 1]), (30, [14, 7, 1]), (31, [30, 14, 7, 1])],
)
def test_what_was_just_chosen_is_not_announced(clock, make_key, acme, days, announced):
    make_key(acme, lifetime=Lifetime.days(days))
    for hours in range(0, days * 24, 6):
        clock.move_to(START + timedelta(hours=hours, minutes=1))
        expiry.announce_expiries()
    assert steps() == [("api_key.expiring", left) for left in announced]
    clock.move_to(START + timedelta(days=days, minutes=1))
    expiry.announce_expiries()
    assert steps()[-1] == ("api_key.expired", 0)


def test_it_says_nothing_early_and_nothing_without_an_expiry(clock, key, make_key, acme):
    make_key(acme, lifetime=Lifetime(never=True))
    clock.move_to(START + timedelta(days=59, hours=23))
    assert expiry.announce_expiries() == 0
    assert steps() == []


@pytest.mark.parametrize("state", ["revoked_at", "overlap_since", "disabled_at"])
def test_it_is_silent_about_keys_that_nobody_will_miss(clock, key, state):
    ApiKey.objects.filter(pk=key.pk).update(**{state: timezone.now()})
    clock.move_to(START + timedelta(days=100))
    assert expiry.announce_expiries() == 0 and steps() == [] and not Notice.objects.exists()


def test_a_disabled_key_that_is_enabled_again_hears_of_its_nearest_step(clock, key):
    ApiKey.objects.filter(pk=key.pk).update(disabled_at=timezone.now())
    clock.move_to(START + timedelta(days=80))
    expiry.announce_expiries()
    ApiKey.objects.filter(pk=key.pk).update(disabled_at=None)
    expiry.announce_expiries()
    assert steps() == [("api_key.expiring", 10)]


def test_it_is_silent_while_the_organization_is_suspended(clock, key, acme):
    Organization.objects.filter(pk=acme.pk).update(status="suspended")
    clock.move_to(START + timedelta(days=80))
    assert expiry.announce_expiries() == 0


def test_a_revocation_takes_it_off_the_pages(clock, key, acme):
    clock.move_to(START + timedelta(days=80))
    expiry.announce_expiries()
    assert Notice.objects.open().count() == 1
    assert notifications.resolve_for(key) == 1
    assert not Notice.objects.open().exists()


def test_resolving_one_key_leaves_others_and_other_stories(clock, key, make_key, acme, rival):
    other, theirs = make_key(acme, lifetime=Lifetime.days(90)).row, make_key(rival, lifetime=Lifetime.days(90)).row
    clock.move_to(START + timedelta(days=80))
    expiry.announce_expiries()
    assert notifications.resolve_for(key, posting.LEAK) == 0
    assert notifications.resolve_for(key, posting.EXPIRY) == 1
    left = Notice.objects.open().values_list("dedupe_key", flat=True)
    assert sorted(text.split(":")[0] for text in left) == sorted([other.public_id, theirs.public_id])


def test_old_notices_of_expired_keys_are_closed(clock, key):
    clock.move_to(START + timedelta(days=90))
    expiry.announce_expiries()
    clock.move_to(START + timedelta(days=119))
    assert posting.expire_notifications() == 0
    clock.move_to(START + timedelta(days=121))
    assert posting.expire_notifications() == 1 and not Notice.objects.open().exists()


# Mail


def test_it_mails_those_who_may_act_in_their_language(clock, key, ada, ann, dev, vera, zed):
    ann.language = "fr"
    ann.save()
    clock.move_to(START + timedelta(days=89, hours=1))
    expiry.announce_expiries()
    mail_notices()
    send_due_mail()
    told = {message.to[0]: message for message in mail.outbox}
    assert sorted(told) == ["ada@acme.example", "ann@acme.example"]
    assert told["ada@acme.example"].subject == "[Acme Travel] The API key “Warehouse sync” expires on 31 May 2026"
    assert f"/o/acme/settings/integration/api-keys/{key.public_id}/" in told["ada@acme.example"].body
    assert "Bonjour" in told["ann@acme.example"].body
    mail_notices()
    assert send_due_mail() == 0


def test_a_dead_mail_server_keeps_no_alert_back(clock, key, ada, settings):
    settings.EMAIL_PORT = free_port()
    settings.EMAIL_HOST, settings.EMAIL_BACKEND = "127.0.0.1", "django.core.mail.backends.smtp.EmailBackend"
    clock.move_to(START + timedelta(days=89, hours=1))
    assert expiry.announce_expiries() == 1
    mail_notices()
    with pytest.raises(JobFailed):
        send_due_mail()
    assert steps() == [("api_key.expiring", 1)] and Notice.objects.open().count() == 1
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    clock.shift(timedelta(minutes=1))
    assert send_due_mail() == 1 and mail.outbox[0].to == ["ada@acme.example"]


# Rotation


def test_it_is_silent_after_a_rotation_by_the_action(clock, key, acme):
    clock.move_to(START + timedelta(days=80))
    expiry.announce_expiries()
    assert Notice.objects.open().count() == 1
    successor, _text = actions.rotate_key(actor=system(acme.pk), key_id=key.public_id)
    assert not Notice.objects.open().exists()
    for day in range(80, 100):
        clock.move_to(START + timedelta(days=day, hours=1))
        expiry.announce_expiries()
        expiry.remind_of_rotation()
    assert steps() == [("api_key.expiring", 10)]
    clock.move_to(START + timedelta(days=80 + 83, hours=1))
    expiry.announce_expiries()
    [*_, (_name, data)] = published("api_key.expir")
    assert (data["id"], data["days_left"]) == (successor.public_id, 7)


def test_it_reminds_once_after_ninety_days(clock, make_key, acme):
    key = make_key(acme, name="Nightly export", lifetime=Lifetime.days(300)).row
    for day in range(88, 100):
        clock.move_to(START + timedelta(days=day, minutes=1))
        expiry.remind_of_rotation()
    notice = Notice.objects.get(kind="api_key.rotation_due")
    assert (notice.severity, notice.params["made_on"]) == ("info", "2026-03-02")
    assert notice.path.endswith(f"api-keys/{key.public_id}/") and notice.mail_wanted
    assert not Event.objects.filter(type__startswith="api_key.").exclude(type="api_key.created").exists()


@pytest.mark.parametrize("state", ["revoked_at", "overlap_since", "disabled_at", "expires_at"])
def test_it_reminds_nobody_of_keys_that_ended(clock, make_key, acme, state):
    key = make_key(acme, lifetime=Lifetime.days(300)).row
    ApiKey.objects.filter(pk=key.pk).update(**{state: timezone.now()})
    clock.move_to(START + timedelta(days=91))
    assert expiry.remind_of_rotation() == 0


def test_a_successor_has_its_own_dates(clock, make_key, acme):
    old, new = (make_key(acme, lifetime=Lifetime.days(300)).row for _ in range(2))
    clock.move_to(START + timedelta(days=60))
    ApiKey.objects.filter(pk=new.pk).update(replaces=old, created_at=timezone.now())
    ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    clock.move_to(START + timedelta(days=100))
    assert expiry.remind_of_rotation() == 0 and expiry.announce_expiries() == 0


# Several workers


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_announce_once(clock, acme, make_key):
    for number in range(20):
        make_key(acme, name=f"Key {number}", lifetime=Lifetime.days(90))
    clock.move_to(START + timedelta(days=83, minutes=1))
    assert sum(in_threads(4, lambda _number: expiry.announce_expiries())) == 20
    assert Event.objects.filter(type="api_key.expiring").count() == 20 == Notice.objects.count()


def test_the_steps_of_ten_thousand_keys_cost_one_statement(clock, key, django_assert_num_queries):
    """With nothing to say. What there is to say costs a few more for each key that has reached a step."""
    with django_assert_num_queries(1):
        expiry.announce_expiries()
    with django_assert_num_queries(1):
        expiry.remind_of_rotation()
