"""Notices on pages: who sees them, who takes them off, where that leads, and what becomes of them."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.permissions import Permission
from apps.notices import actions, tasks
from apps.notices.models import Notice
from apps.orgs.mail.jobs import mail_notices, send_due_mail
from apps.orgs.models import Organization

pytestmark = pytest.mark.django_db
LIST = "/o/acme/settings/integration/notices/"
KEYS = "/o/acme/settings/integration/api-keys/"


def post(organization: Organization, host: str = "hooks.acme.example", **values: Any) -> Notice:
    given = {"severity": "bad", "permission": Permission.WEBHOOKS_WRITE, **values}
    key = given.pop("dedupe_key", f"endpoint.failing:{host}")
    params = {"host": host, "failures": 10}
    actions.notify(organization_id=organization.pk, kind="endpoint.failing", dedupe_key=key, params=params, **given)
    return Notice.objects.get(organization=organization, dedupe_key=key)


def text_of(answer: Any) -> str:
    return answer.content.decode()


def dismiss(client: Client, notice: Notice, **data: str) -> Any:
    return client.post(f"{LIST}{notice.public_id}/dismiss/", data)


# On top


def test_the_worst_stands_on_top_with_the_number_of_the_others(acme, dev, browser_of):
    post(acme)
    for number in range(3):
        post(acme, f"warn{number}.example", severity="warn")
    post(acme, "fine.example", severity="ok")
    page = text_of(browser_of(dev).get(KEYS))
    assert "hooks.acme.example is failing" in page and "warn2.example" not in page and "3 more notices" in page


@pytest.mark.parametrize("severity", ["info", "ok"])
def test_what_is_good_to_know_stands_in_the_list_alone(acme, dev, browser_of, severity):
    post(acme, severity=severity)
    assert "hooks.acme.example" not in text_of(browser_of(dev).get(KEYS))
    assert "hooks.acme.example" in text_of(browser_of(dev).get(LIST))


def test_members_without_the_permission_see_no_notice(acme, vera, browser_of):
    post(acme)
    for path in (KEYS, LIST, f"{LIST}?tab=past"):
        assert "hooks.acme.example" not in text_of(browser_of(vera).get(path))


def test_it_costs_one_query_whatever_there_is(acme, dev, browser_of):
    browser = browser_of(dev)
    browser.get(KEYS)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            browser.get(KEYS)
        return sum("notices_notice" in each["sql"] for each in found)

    assert queries() == 1
    for number in range(60):
        post(acme, f"{number}.example")
    assert queries() == 1


def test_after_a_form_was_sent_there_is_no_button_that_leads_away(acme, ada, browser_of):
    post(acme)
    browser = browser_of(ada)
    create = f"{KEYS}create/?type=partner"
    assert "Dismiss:" in text_of(browser.get(create))
    page = text_of(browser.post(create, {"name": ""}))
    assert "hooks.acme.example is failing" in page and "Dismiss:" not in page


# Dismissing


def test_dismissing_takes_it_off_for_everybody_and_says_who_did_it(acme, ada, dev, browser_of):
    notice = post(acme)
    answer = dismiss(browser_of(dev), notice, next=f"{KEYS}?status=active")
    assert (answer.status_code, answer["Location"]) == (302, f"{KEYS}?status=active")
    ada_sees = browser_of(ada)
    assert "hooks.acme.example" not in text_of(ada_sees.get(KEYS))
    assert "dismissed by Dev" in text_of(ada_sees.get(f"{LIST}?tab=past"))
    entry = AuditEntry.objects.get(action="notice.dismissed")
    assert (entry.target_id, entry.target_label) == (notice.public_id, "hooks.acme.example is failing")
    assert "notice.dismissed" in text_of(ada_sees.get("/o/acme/settings/integration/audit/"))


def test_dismissing_twice_counts_once(acme, ada, dev, browser_of):
    notice = post(acme)
    dismiss(browser_of(dev), notice)
    assert dismiss(browser_of(ada), notice).status_code == 302
    assert Notice.objects.get().dismissed_by == "Dev"
    assert AuditEntry.objects.filter(action="notice.dismissed").count() == 1


def test_the_label_in_the_audit_log_is_english_whoever_dismisses(acme, dev, browser_of):
    dev.language = "fr"
    dev.save()
    dismiss(browser_of(dev), post(acme))
    assert AuditEntry.objects.get(action="notice.dismissed").target_label == "hooks.acme.example is failing"


def test_who_may_not_act_may_not_dismiss(acme, vera, zed, browser_of, client):
    notice = post(acme)
    assert dismiss(browser_of(vera), notice).status_code == 403
    assert dismiss(browser_of(zed), notice).status_code == 404
    assert dismiss(client, notice).status_code == 302
    assert Notice.objects.open().count() == 1


def test_what_concerns_every_member_is_dismissed_by_who_may_change_the_organization(acme, ann, dev, browser_of):
    notice = post(acme, permission="")
    assert "Dismiss:" not in text_of(browser_of(dev).get(KEYS))
    assert dismiss(browser_of(dev), notice).status_code == 403
    assert dismiss(browser_of(ann), notice).status_code == 302
    assert not Notice.objects.open().exists()


@pytest.mark.parametrize(
    "next_page",
    ["", "https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)", "/admin/", "/nowhere/",
     "/o/rival/settings/integration/", "/o/acme/../../evil", "/o/acme/\r\nSet-Cookie: a=b",
     "/o/acme/settings/integration/webhooks/ep_x/test/", "/o/acme//evil.example/"],
)  # fmt: skip
def test_it_leads_back_to_a_page_of_this_organization_and_nowhere_else(acme, dev, browser_of, next_page):
    assert dismiss(browser_of(dev), post(acme), next=next_page)["Location"] == LIST


def test_it_takes_the_token_of_the_form(acme, dev):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(dev)
    assert dismiss(browser, post(acme)).status_code == 403 and Notice.objects.open().exists()


# The list


def test_the_list_is_paged_worst_first(acme, dev, browser_of):
    post(acme, "first.example")
    for number in range(30):
        post(acme, f"{number}.example", severity="warn")
    browser = browser_of(dev)
    first, second = (text_of(browser.get(f"{LIST}?page={number}")) for number in (1, 2))
    assert "first.example" in first and "29.example" in first and "first.example" not in second
    assert "Next" in first and ">0.example is failing" in second
    assert browser.get(f"{LIST}?page=x").status_code == browser.get(f"{LIST}?page=99").status_code == 200


def test_a_kind_that_is_no_more_breaks_no_page(acme, dev, browser_of):
    post(acme)
    Notice.objects.update(kind="gone.kind")
    for path in (KEYS, LIST, "/o/acme/settings/integration/"):
        assert "gone.kind" in text_of(browser_of(dev).get(path)), path


# Time


def test_good_news_ends_after_a_month_and_all_is_removed_after_its_days(acme, settings):
    settings.RETENTION_DAYS_NOTICES = 365
    good, bad = post(acme, "good.example", severity="ok"), post(acme, "bad.example")
    now = timezone.now()
    assert tasks.delete_expired(now + timedelta(days=29)) == 0 and Notice.objects.closed().count() == 0
    assert tasks.delete_expired(now + timedelta(days=31)) == 0
    assert list(Notice.objects.open()) == [bad] and list(Notice.objects.closed()) == [good]
    assert tasks.delete_expired(now + timedelta(days=364)) == 0
    assert tasks.delete_expired(now + timedelta(days=366)) == 2 and not Notice.objects.exists()


def test_old_notices_are_deleted_in_batches(acme, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH", 2)
    for number in range(3):
        post(acme, f"{number}.example")
    Notice.objects.update(dismissed_at=timezone.now())
    later = timezone.now() + timedelta(days=400)
    assert [tasks.delete_expired(later) for _ in range(3)] == [2, 1, 0]


# Mail


def test_a_flood_over_minutes_is_a_mail_every_few_minutes(acme, ada, mailoutbox):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for minute in range(10):
            for number in range(3):
                post(acme, f"{minute}-{number}.example")
            mail_notices()
            send_due_mail()
            clock.shift(timedelta(minutes=1))
        clock.shift(timedelta(minutes=5))
        assert mail_notices() == 12
        send_due_mail()
        assert Notice.objects.awaiting_mail().count() == 0
    assert [message.subject for message in mailoutbox][3:] == ["[Acme Travel] 15 notices", "[Acme Travel] 12 notices"]


def test_a_long_digest_names_the_worst_and_links_to_the_rest(acme, ada, mailoutbox):
    for number in range(30):
        post(acme, f"{number}.example", severity="warn")
    post(acme, "worst.example")
    mail_notices()
    send_due_mail()
    body = mailoutbox[0].body
    assert mailoutbox[0].subject == "[Acme Travel] 31 notices" and len(mailoutbox) == 1
    assert body.index("worst.example") < body.index("0.example") and body.count("is failing") == 20
    assert f"And 11 more: http://127.0.0.1:8000{LIST}" in body


def test_what_was_dismissed_is_not_mailed(acme, ada, browser_of):
    dismiss(browser_of(ada), post(acme))
    assert mail_notices() == 0


def test_the_trouble_of_one_organization_does_not_keep_the_others_waiting(acme, rival, ada, zed, monkeypatch):
    post(acme)
    post(rival)
    broken = Notice.objects.get(organization=acme)

    def fail(self: Any, notice: Any = None) -> str:
        raise RuntimeError("broken")

    real = Notice.objects.awaiting_mail().count()
    monkeypatch.setattr(
        "apps.orgs.mail.jobs.notice_context", lambda each, slug: fail(each) if slug == "acme" else _plain(each)
    )
    assert mail_notices() == 1 == real - 1
    assert Notice.objects.get(mailed_at=None) == broken


def _plain(notice: Notice) -> dict[str, str]:
    return {"title": notice.kind, "text": "", "link_label": "", "link_url": ""}
