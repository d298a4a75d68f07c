"""A notice becomes one mail to each member whose role may act, in their language, once."""

import pytest

from apps.base.permissions import Permission
from apps.notices import actions as notices
from apps.notices.models import Notice
from apps.orgs.models import OutgoingMail
from apps.orgs.tasks import mail_notices, send_due_mail

pytestmark = pytest.mark.django_db


def post(acme, **values):
    return notices.post(
        organization_id=acme.pk,
        kind="endpoint.failing",
        dedupe_key="endpoint.failing:ep_1",
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
        notices.post(organization_id=acme.pk, kind="unheard.of", dedupe_key="x")
