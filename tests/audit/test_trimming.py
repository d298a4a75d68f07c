"""What is older than its days goes: changes at a checkpoint only, calls by whole hours that are digested."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from apps.audit.migrations import _append_only as append_only
from apps.audit.models import (
    ApiCall,
    AuditEntry,
    Checkpoint,
    Cut,
    RefusedCalls,
    Round,
    Seal,
    Unsealed,
    UsageDay,
    UsageHour,
)  # fmt: skip
from apps.audit.retention import trimming
from apps.audit.seal import checkpoints, make_digests, sealer
from apps.base import timestamps
from apps.base.identifiers import uuid_at
from apps.orgs.models import Organization
from tests.audit.chains import export_lines, sealed_log, seals_of, verify, write_lines
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def today() -> datetime:
    return timezone.now().replace(hour=12, minute=30, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def _the_database_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test moves the clock of this process only."""
    monkeypatch.setattr(timestamps, "database_now", timezone.now)


@pytest.fixture(autouse=True)
def _sweeps_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each run finish, however busy the machine is."""
    for each in (make_digests, trimming):
        monkeypatch.setattr(each, "MAX_SECONDS", 60.0)


@pytest.fixture
def on(time_machine: Any, today: datetime) -> Callable[[int], None]:
    """Makes it so many days after today."""
    return lambda days: time_machine.move_to(today + days * DAY, tick=False)


def sweep(times: int = 6) -> None:
    """The sweeps of a worker; a round over all organizations rests for an hour or a day at its end."""
    for _ in range(times):
        sealer.seal_due()
        trimming.sign_daily()
        trimming.trim()
        Round.objects.filter(name="trim").update(again_at=None)


def numbers(organization: Any) -> list[int]:
    return [seal.seq for seal in seals_of(organization)]


@pytest.fixture
def long_log(organization, on, settings) -> Any:
    """Three entries on each of the days 0, 1 and 2, and their checkpoints; 30 days are kept."""
    settings.RETENTION_DAYS_AUDIT = 30
    for day in range(3):
        on(day)
        sealed_log(organization, 3)
        sweep()
    assert list(Checkpoint.objects.values_list("seq", flat=True)) == [3, 6, 9]
    return organization


def test_nothing_goes_before_its_time(long_log, on):
    on(30)
    sweep()
    assert numbers(long_log) == list(range(1, 10)) and not Cut.objects.exists()


def test_the_log_is_cut_at_the_newest_checkpoint_that_is_old_enough(long_log, on):
    on(31)
    sweep()
    assert Cut.objects.get().seq == 3
    assert numbers(long_log) == list(range(4, 11)) and AuditEntry.objects.filter(organization=long_log).count() == 7
    entry = seals_of(long_log)[-1].entry
    assert (entry.action, entry.actor_kind, entry.target_id) == ("audit.trimmed", "system", "3")
    assert entry.changes["up_to"] == [None, 3]
    out, sentence = verify("--org", "acme")
    assert sentence == "" and "7 changes verified; numbers 4 to 10; what was up to 3 was removed by retention" in out


def test_the_log_is_cut_at_most_once_a_week(long_log, on):
    for day, last in ((31, 3), (33, 3), (38, 9)):
        on(day)
        sweep()
        assert Cut.objects.latest("seq").seq == last
    assert numbers(long_log)[0] == 10 and Cut.objects.count() == 2 and verify()[1] == ""


def test_small_batches(long_log, on, monkeypatch):
    monkeypatch.setattr(trimming, "BATCH", 2)
    on(32)
    trimming.trim()
    assert numbers(long_log)[0] == 7 and verify()[1] == ""


def test_an_organization_with_much_to_remove_goes_on_the_next_time(long_log, on, monkeypatch):
    monkeypatch.setattr(trimming, "BATCH", 1)
    on(31)
    assert trimming._trim_organization(long_log.pk, -1.0) == (0, False)
    Round.objects.filter(name="trim").update(again_at=None, organization_id=None)
    monkeypatch.setattr(trimming, "MAX_SECONDS", -1.0)
    assert trimming.trim() == 0
    assert numbers(long_log) == list(range(1, 10)) and verify()[1] == ""


def test_below_the_cut_rows_may_go_and_above_none(long_log, on, monkeypatch):
    on(31)
    monkeypatch.setattr(trimming, "_remove_changes", lambda organization_id: 0)
    sweep()
    assert Cut.objects.get().seq == 3 and numbers(long_log)[0] == 1
    for rows in (Seal.objects.filter(seq=4), AuditEntry.objects.filter(seal__seq=4)):
        with pytest.raises(DatabaseError, match=append_only.MESSAGE), transaction.atomic():
            rows._raw_delete("default")
    assert verify()[1] == ""


def test_an_organization_may_have_days_of_its_own(long_log, other, on, settings):
    sealed_log(other, 2)
    sweep()
    settings.RETENTION_DAYS_AUDIT = 365
    on(60)
    Organization.objects.filter(pk=long_log.pk).update(retention_days_audit=40)
    sweep()
    assert {cut.organization_id for cut in Cut.objects.all()} == {long_log.pk}


def test_one_clock_that_is_wrong_removes_nothing(long_log, on, monkeypatch, today):
    """A worker a year ahead asks the database; a checkpoint that was dated long ago has young entries below it."""
    monkeypatch.setattr(timestamps, "database_now", lambda: today + 3 * DAY)
    on(400)
    sweep()
    assert numbers(long_log) == list(range(1, 10))
    monkeypatch.setattr(timestamps, "database_now", lambda: today - 400 * DAY)
    on(3)
    sealed_log(long_log, 1)
    assert checkpoints.create(long_log.pk).seq == 10
    monkeypatch.setattr(timestamps, "database_now", timezone.now)
    sweep()
    assert numbers(long_log) == list(range(1, 11)) and not Cut.objects.exists()


def test_a_quiet_log_is_not_cut_for_its_notes_of_cuts(long_log, on):
    for day in (31, 40, 80, 120, 160, 200):
        on(day)
        sweep()
    assert Cut.objects.count() == 2
    actions = {seal.entry.action for seal in seals_of(long_log)}
    assert actions == {"audit.trimmed"} and len(numbers(long_log)) <= 2 and verify()[1] == ""


def test_an_old_export_proves_what_is_not_kept_any_more(long_log, on, tmp_path):
    path = write_lines(tmp_path / "export.jsonl", export_lines(long_log))
    on(31)
    sweep()
    out, sentence = verify("--file", path)
    assert sentence == "" and "not_proved: -" in out
    later = write_lines(tmp_path / "later.jsonl", export_lines(long_log))
    out, sentence = verify("--file", later)
    assert sentence == "" and "first: 4" in out and "not_proved: -" in out


def test_a_cut_that_only_the_database_knows_of(long_log, on):
    """Whoever can write the database may use a real checkpoint; no entry says that the portal did it."""
    point = Checkpoint.objects.get(seq=6)
    Cut.objects.create(checkpoint=point, organization=long_log, seq=6, at=timezone.now())
    assert "number is 7: the log was cut after 6, and no entry says so" in verify()[1]


def usage(model: Any, organization: Any, **when: Any) -> Any:
    return model.objects.create(
        organization=organization, method="GET", route="/v1/users", status_class="2xx", calls=1,
        last_at=timezone.now(), **when,
    )  # fmt: skip


def make_call(organization: Any, moment: datetime) -> None:
    ApiCall.objects.create(
        id=uuid_at(moment), at=moment, organization=organization, actor_kind="user", actor_id="user_x", actor_label="A",
        method="GET", route="/v1/users", status=200, duration_ms=1,
    )  # fmt: skip


def test_calls_go_by_whole_hours_that_are_digested(organization, today, on, settings):
    settings.RETENTION_DAYS_API_CALLS = 2
    on(0)
    make_digests.make_due()
    make_call(organization, today - HOUR)
    for minutes in (-20, 5, 40, 100):
        make_call(organization, today + timedelta(minutes=minutes))
    on(2)
    sweep()
    # No digest was made since: what is of before digests began may go, the rest may not.
    assert ApiCall.objects.count() == 4
    make_digests.make_due()
    sweep()
    assert ApiCall.objects.count() == 4, "the hour in which the days end is kept whole"
    on(3)
    sweep()
    assert not ApiCall.objects.exists() and verify()[1] == ""


def test_figures_and_strangers_go_too(organization, today, on, settings):
    settings.RETENTION_DAYS_API_CALLS = 10
    on(0)
    make_digests.make_due()
    for days in (1, 9, 11, 30):
        usage(UsageHour, organization, hour=today.replace(minute=0) - days * DAY)
    for days in (9, 399, 401, 500):
        usage(UsageDay, organization, day=(today - days * DAY).date())
    for days in (30, 11, 9, 1):
        RefusedCalls.objects.create(address="203.0.113.1", minute=today - days * DAY, code="missing_api_key")
    sweep()
    assert UsageHour.objects.count() == 2 and UsageDay.objects.count() == 2 and RefusedCalls.objects.count() == 2


def test_what_is_kept_longer_than_a_year_keeps_its_days_too(organization, today, on, settings):
    settings.RETENTION_DAYS_API_CALLS = 600
    on(0)
    usage(UsageDay, organization, day=(today - 500 * DAY).date())
    sweep()
    assert UsageDay.objects.count() == 1


# Checkpoints


def test_a_checkpoint_a_day_where_something_happened(organization, on, caplog):
    on(0)
    sealed_log(organization, 2)
    caplog.set_level("INFO", logger="apps.audit.seal.checkpoints")
    sweep()
    [point] = Checkpoint.objects.all()
    assert (point.seq, point.hash) == sealer.chain_end(organization.pk)
    assert [record.getMessage() for record in caplog.records if point.hash in record.getMessage()]
    sealed_log(organization, 2)
    sweep()
    assert Checkpoint.objects.count() == 1
    for day in (1, 2, 3):
        on(day)
        sweep()
    assert [point.seq for point in Checkpoint.objects.order_by("seq")] == [2, 4]
    lines = [record.getMessage() for record in caplog.records if '"seq": 4' in record.getMessage()]
    assert len(lines) == 3, "an idle log is told of once a day"


def test_no_checkpoint_of_nothing(organization):
    assert checkpoints.create(organization.pk) is None and checkpoints.newest(organization.pk) is None


def test_a_checkpoint_of_today_and_its_copy(organization):
    change(person(organization))
    point = checkpoints.create(organization.pk)
    assert not Unsealed.objects.exists() and point.seq == 1
    assert checkpoints.create(organization.pk).pk == point.pk
    point.refresh_from_db()
    document = checkpoints.as_json(point)
    assert list(document) == ["organization", "seq", "hash", "at", "signature", "public_key", "key_id"]
    assert document["organization"] == organization.public_id and document["public_key"] == checkpoints.own_public_key()
    assert checkpoints.is_signed(document) and document["at"].endswith("Z")


def test_another_key_signs_the_same_end_anew(organization, settings):
    change(person(organization))
    old = checkpoints.create(organization.pk)
    settings.AUDIT_SIGNING_KEY = b"n" * 32
    new = checkpoints.create(organization.pk)
    assert (new.seq, new.hash) == (old.seq, old.hash) and new.key_id != old.key_id
    out, sentence = verify("--org", "acme")
    assert sentence == "" and "1 of the checkpoints are signed by another key" in out
