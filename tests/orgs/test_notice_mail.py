"""A notice becomes one mail to each member whose role may act, in their language, once."""

import smtplib
import socket
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.utils import timezone

from apps.base.extension_points.periodic_jobs import JobFailed
from apps.base.permissions import Permission
from apps.notices import actions as notices
from apps.notices.models import Notice
from apps.orgs.mail.jobs import mail_notices, send_due_mail
from apps.orgs.models import OutgoingMail

pytestmark = pytest.mark.django_db


def post(acme, number=1, **values):
    return notices.notify(
        organization_id=acme.pk,
        kind="endpoint.failing",
        dedupe_key=f"endpoint.failing:ep_{number}",
        severity="warn",
        params={"host": "hooks.acme.example", "failures": 10},
        path="settings/integration/webhooks/ep_1/",
        permission=Permission.WEBHOOKS_WRITE,
        **values,
    )


def test_it_mails_those_who_may_act_in_their_language(acme, ada, dev, vera, zed, mailoutbox):
    dev.language = "fr"
    dev.save()
    assert post(acme) is True and post(acme) is False
    mail_notices()
    mail_notices()
    assert send_due_mail() == 2 and send_due_mail() == 0
    told = {mail.to[0]: mail for mail in mailoutbox}
    assert sorted(told) == ["ada@acme.example", "dev@acme.example"]
    assert told["ada@acme.example"].subject == "[Acme Travel] hooks.acme.example is failing"
    assert "est en échec" in told["dev@acme.example"].subject
    assert "http://127.0.0.1:8000/o/acme/settings/integration/webhooks/ep_1/" in told["ada@acme.example"].body


def test_nobody_is_mailed_about_what_was_dismissed_or_not_wanted(acme, ada):
    post(acme, mail=False)
    mail_notices()
    assert not OutgoingMail.objects.exists()


def test_it_stands_on_the_pages_until_it_is_resolved(acme, ada, vera, browser_of):
    post(acme)
    here = "/o/acme/settings/integration/api-keys/"
    assert "hooks.acme.example is failing" in browser_of(ada).get(here).content.decode()
    assert "hooks.acme.example is failing" not in browser_of(vera).get(here).content.decode()
    notices.resolve(organization_id=acme.pk, kind="endpoint.failing", dedupe_prefix="endpoint.failing:ep_1")
    assert "hooks.acme.example is failing" not in browser_of(ada).get(here).content.decode()


def test_a_notice_that_lacks_a_word_breaks_no_page(acme, ada, browser_of):
    post(acme)
    Notice.objects.update(params={})
    assert browser_of(ada).get("/o/acme/settings/integration/api-keys/").status_code == 200


def test_a_kind_without_words_cannot_be_posted(acme):
    with pytest.raises(ValueError, match="no text"):
        notices.notify(organization_id=acme.pk, kind="unheard.of", dedupe_key="x")


def test_more_than_three_at_once_are_one_mail(acme, rival, ada, dev, vera, zed, mailoutbox):
    dev.language = "fr"
    dev.save()
    for number in range(3):
        post(rival, number)
    for number in range(4):
        post(acme, number)
    mail_notices()
    assert send_due_mail() == 5
    told = [message for message in mailoutbox if message.to == ["ada@acme.example"]]
    assert [message.subject for message in told] == ["[Acme Travel] 4 notices"]
    assert told[0].body.count("hooks.acme.example is failing. The last 10 attempts failed.") == 4
    assert told[0].body.count("http://127.0.0.1:8000/o/acme/settings/integration/webhooks/ep_1/") == 4
    assert [message.to for message in mailoutbox].count(["zed@rival.example"]) == 3


@pytest.fixture
def dead_server(settings):
    """A mail server on a closed port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = free.getsockname()[1]
    settings.EMAIL_HOST, settings.EMAIL_BACKEND = "127.0.0.1", "django.core.mail.backends.smtp.EmailBackend"
    return settings


def test_a_dead_mail_server_delays_nothing_and_is_tried_again(acme, ada, dev, dead_server, mailoutbox):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for number in range(3):
            post(acme, number)
        mail_notices()
        assert OutgoingMail.objects.count() == 6
        # It is asked once a run, not once a mail: other sweeps wait for this one.
        with pytest.raises(JobFailed):
            send_due_mail()
        assert OutgoingMail.objects.filter(attempts=1).count() == 1
        assert "ConnectionRefusedError" in OutgoingMail.objects.get(attempts=1).last_error
        for _ in range(5):
            with pytest.raises(JobFailed):
                send_due_mail()
        assert send_due_mail() == 0
        assert OutgoingMail.objects.filter(attempts=1).count() == 6
        clock.shift(timedelta(seconds=31))
        dead_server.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert send_due_mail() == 6 == len(mailoutbox)
        assert set(OutgoingMail.objects.values_list("last_error", flat=True)) == {""}


def test_a_mail_that_the_server_refuses_does_not_hold_up_the_others(acme, ada, dev, monkeypatch):
    post(acme)
    mail_notices()
    send = EmailMessage.send

    def refuse(message, *arguments):
        if message.to == ["ada@acme.example"]:
            raise smtplib.SMTPRecipientsRefused({"ada@acme.example": (550, b"no such user")})
        return send(message, *arguments)

    monkeypatch.setattr(EmailMessage, "send", refuse)
    assert send_due_mail() == 1
    assert OutgoingMail.objects.get(sent_at=None).to == "ada@acme.example"
