"""Closing by an owner, opening again by an operator, and what is removed when the days are over."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.api_keys import actions as keys
from apps.api_keys.models import ApiKey
from apps.audit.migrations import _append_only as append_only
from apps.audit.models import ApiCall, AuditEntry, LastUse, Seal, Unsealed, UsageDay, UsageHour
from apps.base.actor import Actor, ActorKind, system
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.notices import actions as notices
from apps.notices.models import Notice
from apps.orgs.lifecycle import closing, purging, suspension
from apps.orgs.mail.jobs import mail_notices
from apps.orgs.models import Membership, Organization, OutgoingMail, User
from apps.orgs.settings import organization_settings
from apps.webhooks import actions as webhooks
from apps.webhooks import publishing
from apps.webhooks.models import Attempt, Delivery, Endpoint, Event, ReplayJob
from tests.conftest import PASSWORD
from tests.engines import DATA
from tests.organizations.forms import OPERATOR, actor_of, hidden, send

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/organization/close/"
HTML = {"Accept": "text/html"}


@pytest.fixture
def owner(ada, acme):
    return actor_of(ada, acme, "owner")


@pytest.fixture(autouse=True)
def _purging_has_time(monkeypatch):
    """Let each run come to its end, however busy the machine."""
    monkeypatch.setattr(purging, "MAX_SECONDS", 60.0)


def close(owner):
    return closing.close_organization(actor=owner, name="Acme Travel")


def test_an_owner_closes_by_typing_the_name_and_confirming(browser_of, ada, acme, acme_key, api):
    browser = browser_of(ada, confirmed=False)
    page = browser.get(HERE).content.decode()
    assert "/o/acme/settings/organization/export/" in page and "confirm_password" in page
    refused = send(browser, HERE, confirm_name="acme", confirm_password=PASSWORD)
    assert refused.status_code == 422 and "That is not the name of this organization" in refused.content.decode()
    assert Organization.objects.get(pk=acme.pk).status == "active"
    done = browser.post(HERE, {**hidden(refused), "confirm_name": " Acme  Travel "})
    assert done.status_code == 302 and Organization.objects.get(pk=acme.pk).status == "closed"
    answer = api(acme_key).get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "revoked_api_key")


def test_a_name_with_odd_spaces_can_be_typed(owner, acme):
    Organization.objects.filter(pk=acme.pk).update(name="Acme  Travel ")
    assert close(owner).status == "closed"


def test_without_a_confirmation_nothing_is_closed(browser_of, ada, acme):
    assert send(browser_of(ada, confirmed=False), HERE, confirm_name="Acme Travel").status_code == 422
    assert Organization.objects.get(pk=acme.pk).status == "active"


def test_admins_read_that_only_owners_close(browser_of, ann, acme):
    assert "Only owners can close" in browser_of(ann).get("/o/acme/settings/organization/").content.decode()
    assert browser_of(ann).post(HERE, {"confirm_name": "Acme Travel"}).status_code == 403


def test_only_a_signed_in_owner_closes_an_organization(acme, ada, ann, admin_key):
    key = Actor(
        kind=ActorKind.API_KEY, id="key", label="k", organization_id=acme.pk, permissions=frozenset({"admin"})
    )  # fmt: skip
    for actor in (actor_of(ann, acme, "admin"), key, system(acme.pk)):
        with pytest.raises(Forbidden):
            close(actor)
    with pytest.raises(Invalid):
        closing.close_organization(actor=actor_of(ada, acme, "owner"), name="Rival")


def test_everything_ends_at_once_with_one_entry(api, browser_of, owner, ada, vera, acme, rival_key, samples):
    webhooks.create_endpoint(actor=system(acme.pk), url="https://b.example/in", event_types=["order.*"])
    publishing.publish(organization_id=acme.pk, event_type="order.created", data=DATA)
    before = AuditEntry.objects.count()
    close(owner)
    entry = AuditEntry.objects.latest("pk")
    assert AuditEntry.objects.count() == before + 1 and entry.action == "organization.closed"
    assert entry.changes["api_keys_revoked"] == [None, 1]
    assert entry.changes["endpoints_disabled"] == [None, 2] and entry.changes["deliveries_dropped"] == [None, 3]
    assert (entry.changes["sdk_keys_revoked"], entry.changes["invitations_revoked"]) == ([None, 1], [None, 1])
    key = ApiKey.objects.get(organization=acme)
    assert (key.status, key.status_reason) == ("revoked", "The organization was closed")
    assert set(Endpoint.objects.values_list("status", "disabled_reason")) == {("disabled", "organization_closed")}
    assert not Delivery.objects.filter(status__in=["pending", "held"]).exists()
    assert ReplayJob.objects.get().status == "cancelled"
    for user in (ada, vera):
        browser = browser_of(user)
        assert browser.get("/o/acme/settings/integration/").status_code == 404
        assert browser.get("/v1/users?organization=acme", headers=HTML).status_code == 404
        assert "acme" not in browser.get("/settings/integration/", follow=True).content.decode().lower().replace(
            user.email, ""
        )
    assert api(rival_key).get("/v1/me").status_code == 200


def test_events_of_platform_keys_find_no_organization(api, owner, acme, make_key):
    platform = make_key(Organization.objects.get(slug="platform"), "events:write", "api_keys:verify", type="platform")
    key = make_key(acme, "users:read")
    close(owner)
    for name in ("acme", acme.public_id):
        answer = api(platform).post("/v1/events", {"type": "order.created", "data": DATA, "organization": name})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["organization"])
    assert api(platform).post("/v1/api-keys/verify", {"key": key.text}).json()["code"] == "revoked_api_key"


@pytest.mark.django_db(transaction=True)
def test_a_key_made_in_that_very_moment_is_let_in_nowhere(api, owner, acme, make_key):
    close(owner)
    late = make_key(acme, "users:read")  # as if its transaction had begun before
    answer = api(late).get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "organization_suspended")
    closing.reopen_organization(actor=OPERATOR, organization_id=acme.pk)
    assert api(late).get("/v1/me").json()["code"] == "revoked_api_key"


def test_owners_and_admins_are_told_and_notices_are_mailed_no_more(owner, ada, ann, dev, acme):
    notices.notify(organization_id=acme.pk, kind="endpoint.recovered", dedupe_key="x", params={"host": "h"})
    close(owner)
    mail_notices()
    assert not Notice.objects.open().exists()
    told = OutgoingMail.objects.order_by("to")
    assert [mail.to for mail in told] == [ada.email, ann.email]
    assert "Ada closed Acme Travel" in told[0].body


def test_a_suspended_one_is_not_closed(owner, acme):
    suspension.suspend_organization(actor=OPERATOR, organization_id=acme.pk, reason="unpaid")
    with pytest.raises(Conflict):
        close(owner)


def test_an_operator_opens_it_again_and_keys_stay_revoked(api, browser_of, owner, ada, acme, acme_key):
    close(owner)
    with pytest.raises(Forbidden):
        closing.reopen_organization(actor=owner, organization_id=acme.pk)
    closing.reopen_organization(actor=OPERATOR, organization_id=acme.pk)
    row = Organization.objects.get(pk=acme.pk)
    assert (row.status, row.closed_at, row.kept_until) == ("active", None, None)
    assert browser_of(ada).get("/o/acme/settings/integration/").status_code == 200
    assert api(acme_key).get("/v1/me").json()["code"] == "revoked_api_key"
    assert AuditEntry.objects.latest("pk").action == "organization.reopened"


def test_the_slug_is_taken_until_the_data_are_removed(owner, acme, settings):
    from django.core.exceptions import ValidationError

    settings.RETENTION_DAYS_CLOSED_ORGANIZATION = 10
    close(owner)

    def make():
        return organizations_of(slug="acme")

    with pytest.raises(ValidationError):
        make()
    with time_machine.travel(timezone.now() + timedelta(days=11)):
        purge()
        assert make().slug == "acme"


def organizations_of(slug):
    from apps.orgs.lifecycle.creation import create_organization

    return create_organization(actor=system(), name="New", slug=slug, owner_email="new@acme.example")[0]


def purge():
    while purging.purge_closed():
        pass


def test_after_its_days_all_rows_go_and_the_log_stays(api, owner, ada, acme, rival, zed, samples, acme_key, settings):
    settings.RETENTION_DAYS_CLOSED_ORGANIZATION = 10
    successor, _text = keys.rotate_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    api(acme_key).get("/v1/me")
    Membership.objects.create(organization=acme, user=zed)
    close(owner)
    purge()
    assert ApiKey.objects.filter(organization=acme).count() == 2
    entries = AuditEntry.objects.filter(organization=acme).count()
    with time_machine.travel(timezone.now() + timedelta(days=11)):
        purge()
    row = Organization.objects.get(pk=acme.pk)
    assert row.purged_at is not None and row.slug == f"closed-{acme.pk.hex}"
    for model in (
        ApiKey,
        Endpoint,
        Event,
        Delivery,
        Attempt,
        ReplayJob,
        Notice,
        Membership,
        ApiCall,
        UsageHour,
        UsageDay,
    ):
        assert not model._base_manager.filter(organization=acme).exists(), model
    assert not LastUse.objects.filter(credential_id__in=[acme_key.row.pk, successor.pk]).exists()
    assert not User.objects.filter(pk=ada.pk).exists()
    assert User.objects.filter(pk=zed.pk).exists() and Membership.objects.filter(organization=rival).exists()
    assert AuditEntry.objects.filter(organization=acme).count() == entries + 1
    with pytest.raises(Conflict):
        closing.reopen_organization(actor=OPERATOR, organization_id=acme.pk)


def test_an_operator_changes_the_date_of_deletion(owner, acme):
    close(owner)
    later = timezone.now() + timedelta(days=400)
    organization_settings.update_settings(actor=OPERATOR, organization_id=acme.pk, kept_until=later)
    with time_machine.travel(timezone.now() + timedelta(days=300)):
        purge()
    assert Organization.objects.get(pk=acme.pk).purged_at is None
    with pytest.raises(Invalid):
        organization_settings.update_settings(actor=OPERATOR, organization_id=acme.pk, kept_until=None)


def test_the_row_goes_with_the_last_entry_of_its_log(owner, acme):
    from django.db import connection

    close(owner)
    Organization.objects.filter(pk=acme.pk).update(kept_until=timezone.now() - timedelta(days=1))
    purge()
    assert purging.delete_purged_organizations() == 0
    append_only.remove(connection)
    try:
        for model in (Unsealed, Seal, AuditEntry):
            wanted = {"entry__organization": acme} if model is Unsealed else {"organization": acme}
            keys = list(model.objects.filter(**wanted).values_list("pk", flat=True))
            model.objects.filter(pk__in=keys)._raw_delete("default")
        assert purging.delete_purged_organizations() == 1
    finally:
        append_only.install(connection)
    assert not Organization.objects.filter(pk=acme.pk).exists()
