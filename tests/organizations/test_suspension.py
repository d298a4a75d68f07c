"""Suspended by an operator: keys and sessions refused, deliveries held, pages to be read; and the end of it."""

import re

import pytest
from allauth.mfa.models import Authenticator

from apps.api_keys.models import Package
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.notices.models import Notice
from apps.orgs.lifecycle import suspension
from apps.orgs.mail.jobs import mail_notices
from apps.orgs.models import Organization, OutgoingMail
from apps.webhooks import actions as webhooks
from apps.webhooks.models import Delivery, Event
from tests.conventions.routes import routes_for
from tests.engines import DATA
from tests.organizations.forms import OPERATOR, actor_of

pytestmark = pytest.mark.django_db
HTML = {"Accept": "text/html"}
CHANGING = re.compile(r'<form[^>]*method="post"[^>]*>', re.IGNORECASE)


@pytest.fixture
def endpoint(acme):
    return webhooks.create_endpoint(actor=system(acme.pk), url="https://hooks.acme.example/in", event_types=["*"])[0]


def suspend(acme, reason="unpaid"):
    return suspension.suspend_organization(actor=OPERATOR, organization_id=acme.pk, reason=reason)


def resume(acme):
    return suspension.resume_organization(actor=OPERATOR, organization_id=acme.pk)


def statuses():
    return sorted(Delivery.objects.values_list("status", flat=True))


@pytest.mark.django_db(transaction=True)
def test_keys_and_sessions_are_refused_with_the_code(api, browser_of, ada, acme, acme_key):
    assert api(acme_key).get("/v1/me").status_code == 200
    suspend(acme)
    for method, path in (("get", "/v1/me"), ("post", "/v1/events"), ("get", "/v1/users"), ("get", "/v1/nowhere")):
        answer = getattr(api(acme_key), method)(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "organization_suspended"), path
    for method in ("get", "post"):
        answer = getattr(browser_of(ada), method)("/v1/users?organization=acme", headers=HTML)
        assert answer.status_code == 403 and "organization_suspended" in answer.content.decode()
    resume(acme)
    assert api(acme_key).get("/v1/me").status_code == 200


def test_platform_keys_publish_and_it_is_held(api, acme, endpoint, make_key):
    platform = make_key(Organization.objects.get(slug="platform"), "events:write", "api_keys:verify", type="platform")
    suspend(acme)
    event = {"type": "order.created", "data": DATA, "organization": "acme"}
    answer = api(platform).post("/v1/events", event)
    assert (answer.status_code, answer.json()["deliveries"]) == (202, 1)
    assert api(platform).post("/v1/events/batch", {"events": [event, event]}).status_code == 202
    assert statuses() == ["held"] * 3
    resume(acme)
    assert statuses() == ["pending"] * 3


def test_what_waits_is_held_and_paused_endpoints_stay_paused(api, acme, acme_key, endpoint):
    other = webhooks.create_endpoint(actor=system(acme.pk), url="https://b.example/in", event_types=["*"])[0]
    webhooks.pause_endpoint(actor=system(acme.pk), endpoint_id=other.public_id)
    api(acme_key).post("/v1/events", {"type": "order.created", "data": DATA})
    assert statuses() == ["held", "pending"]
    suspend(acme)
    assert statuses() == ["held", "held"]
    resume(acme)
    assert statuses() == ["held", "pending"]


def test_it_is_one_action_with_entry_notice_and_mail_to_owners(acme, ada, ann, vera):
    suspend(acme, "  Invoice 7\n is unpaid ")
    entry = AuditEntry.objects.get(action="organization.suspended")
    assert (entry.organization_id, entry.actor_kind) == (acme.pk, "operator")
    assert entry.changes["reason"] == [None, "Invoice 7 is unpaid"]
    mail_notices()
    mail = OutgoingMail.objects.get()
    assert mail.to == ada.email and "Invoice 7 is unpaid" in mail.body
    suspend(acme, "Invoice 7 is unpaid")
    assert AuditEntry.objects.filter(action="organization.suspended").count() == 1
    resume(acme)
    resume(acme)
    assert AuditEntry.objects.filter(action="organization.resumed").count() == 1
    assert list(Notice.objects.open().values_list("kind", flat=True)) == ["organization.resumed"]


def test_another_reason_replaces_the_first(acme):
    suspend(acme)
    suspend(acme, "abuse")
    assert Organization.objects.get(pk=acme.pk).status_reason == "abuse"
    assert AuditEntry.objects.get(action="organization.updated").changes == {"reason": ["unpaid", "abuse"]}


def test_only_the_vendor_suspends_and_never_itself(acme, ada):

    for actor in (actor_of(ada, acme, "owner"),):
        with pytest.raises(Forbidden):
            suspension.suspend_organization(actor=actor, organization_id=acme.pk, reason="x")
        with pytest.raises(Forbidden):
            suspension.resume_organization(actor=actor, organization_id=acme.pk)
    with pytest.raises(Invalid):
        suspend(acme, " ")
    with pytest.raises(Conflict):
        suspend(Organization.objects.get(slug="platform"))


def test_pages_are_read_and_offer_no_change(browser_of, ada, acme, samples):
    Package.objects.create(organization=acme, contact="Write to billing@vendor.example")
    suspend(acme)
    browser = browser_of(ada)
    for route in routes_for("page"):
        if "GET" not in route.methods:
            continue
        answer = browser.get(route.at(slug="acme", **samples.real(route)))
        page = answer.getvalue().decode()
        if answer.status_code == 403:
            assert "is suspended: its pages can be read and nothing can be changed" in page, route.name
            assert "Write to billing@vendor.example" in page
            continue
        if answer.status_code == 302:  # nothing to see of this key, such as who still uses its predecessor
            continue
        assert answer.status_code == 200, route.name
        if route.name in ("api_key_inventory_csv", "audit") or "export" in route.name:  # copies may be taken
            continue
        assert "Acme Travel is suspended" in page and "unpaid" in page, route.name
        main = page.partition("<main")[2].partition("</main>")[0]
        assert CHANGING.findall(main) == [], route.name
        for word in ("/create/", "/edit/", "/rotate/", "/revoke/", "/replay/", "organization/security/"):
            assert f'{word}"' not in main, (route.name, word)


def test_every_changing_form_is_refused_with_the_reason(browser_of, ada, acme, samples):
    suspend(acme)
    browser, entries = browser_of(ada), AuditEntry.objects.count()
    for route in routes_for("page"):
        if "POST" in route.methods and "export" not in route.name and route.name != "audit_checkpoint":
            answer = browser.post(route.at(slug="acme", **samples.real(route)), {"name": "x", "confirm": "on"})
            assert answer.status_code == 403, route.name
            assert "is suspended" in answer.content.decode(), route.name
    assert AuditEntry.objects.count() == entries


def test_who_may_not_is_told_so_and_not_of_the_suspension(browser_of, vera, acme):
    suspend(acme)
    page = browser_of(vera).post("/o/acme/settings/organization/general/", {"name": "x"})
    text = page.content.decode()
    assert page.status_code == 403 and "Your role does not allow this" in text and "suspended: its pages" not in text


def test_replays_wait_and_go_on(acme, samples):
    from apps.webhooks.jobs import replays

    Delivery.objects.update(status="exhausted", next_attempt_at=None)
    job = samples.rows["replay"]
    suspend(acme)
    replays.advance()
    job.refresh_from_db()
    assert job.status == "paused"
    resume(acme)
    replays.advance()
    job.refresh_from_db()
    assert job.status in ("running", "done") and job.sent == Event.objects.filter(deliveries__replay_job=job).count()


# The admin


@pytest.fixture
def operator(person):
    olga = person("Olga", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return olga


def admin_form(**values):
    return {"name": "Acme Travel", "status": "active", "status_reason": "", "leak_policy": "quarantine", **values}


def test_the_admin_calls_the_actions(browser_of, operator, acme):
    browser, path = browser_of(operator), f"/admin/orgs/organization/{acme.pk}/change/"
    assert browser.post(path, admin_form(status="suspended")).status_code == 200  # a reason is needed
    assert Organization.objects.get(pk=acme.pk).status == "active"
    values = {"status": "suspended", "status_reason": "unpaid", "endpoint_limit": "5", "retention_days_audit": "40"}
    assert browser.post(path, admin_form(**values)).status_code == 302
    actions = AuditEntry.objects.filter(organization=acme).order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["organization.updated", "organization.suspended"]
    row = Organization.objects.get(pk=acme.pk)
    assert (row.status, row.endpoint_limit, row.retention_days_audit) == ("suspended", 5, 40)
    assert browser.post(path, admin_form(retention_days_audit="5000")).status_code == 200
    assert browser.post(path, admin_form(endpoint_limit="5", retention_days_audit="40")).status_code == 302
    assert Organization.objects.get(pk=acme.pk).status == "active"


def test_the_admin_closes_nothing(browser_of, operator, acme):
    path = f"/admin/orgs/organization/{acme.pk}/change/"
    assert browser_of(operator).post(path, admin_form(status="closed")).status_code == 200
    assert Organization.objects.get(pk=acme.pk).status == "active"


def test_what_the_vendor_wrote_is_text(browser_of, ada, acme):
    Package.objects.create(organization=acme, contact="<b>Mail & us</b>")
    suspend(acme, "<script>x</script>")
    page = browser_of(ada).get("/o/acme/settings/organization/").content.decode()
    assert "<script>x" not in page and "<b>Mail" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page and "&lt;b&gt;Mail &amp; us&lt;/b&gt;" in page
