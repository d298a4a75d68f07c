"""Commands create nothing for an organization where it would not work, and every text says which it is."""

import pytest
from django.core.management import CommandError, call_command

from apps.api_keys.models import ApiKey
from apps.base.errors import Conflict
from apps.orgs.lifecycle import closing
from apps.orgs.models import Organization
from apps.webhooks.models import Endpoint
from tests.organizations.forms import actor_of

pytestmark = pytest.mark.django_db
KEY = {"org": "acme", "type": "partner", "name": "Late", "scopes": "users:read"}
ENDPOINT = {"org": "acme", "url": "https://hooks.acme.example/in"}


@pytest.mark.parametrize(("status", "undo"), [("closed", "Reopen"), ("suspended", "Resume")])
@pytest.mark.parametrize(("command", "words"), [("create_api_key", KEY), ("create_endpoint", ENDPOINT)])
def test_a_command_creates_nothing_and_says_why(acme, capsys, command, words, status, undo):
    Organization.objects.filter(pk=acme.pk).update(status=status)
    sentence = f"The organization 'acme' is {status}, so nothing was created. {undo} it under /admin/ first."
    with pytest.raises(CommandError, match="^" + sentence.replace(".", r"\.") + "$"):
        call_command(command, **words)
    assert not ApiKey.objects.exists() and not Endpoint.objects.exists() and not capsys.readouterr().out


@pytest.mark.parametrize("status", ["closed", "suspended"])
@pytest.mark.django_db(transaction=True)
def test_a_refused_key_says_which(acme, acme_key, api, status):
    Organization.objects.filter(pk=acme.pk).update(status=status)
    answer = api(acme_key).get("/v1/me")
    assert answer.status_code == 403 and answer.json()["code"] == "organization_suspended"
    assert answer.json()["error"] == f"This organization is {status}. Contact the vendor's team."


@pytest.mark.parametrize(("status", "said"), [("closed", "already closed"), ("suspended", "is suspended, so it can't")])
def test_closing_again_says_which(acme, ada, status, said):
    owner = actor_of(ada, acme, "owner")
    Organization.objects.filter(pk=acme.pk).update(status=status)
    with pytest.raises(Conflict, match=said):
        closing.close_organization(actor=owner, name=acme.name)
