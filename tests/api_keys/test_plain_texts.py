"""The plain texts of a key, whichever there are: a field that one of the places does not know is lost on the way."""

import pytest

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.api_keys.serializers import CreateApiKeyBody, UpdateApiKeyBody
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.crypto.secrets import new_key
from apps.base.errors import Invalid
from apps.base.rest.fields import PlainText

pytestmark = pytest.mark.django_db
# Not a text of the key's own: the name of its type, and a time.
OTHERS = ("type", "expires_at")
TEXTS = [
    name for name, field in CreateApiKeyBody().fields.items() if isinstance(field, PlainText) and name not in OTHERS
]
# A key of the only type that has a subject.
BODY = {"name": "Shop", "type": "client", "scopes": ["orders:read"], "subject": "ACME-1"}


def test_there_are_texts_to_look_at():
    assert {"name", "subject"} <= set(TEXTS)
    assert set(ApiKey.texts) == set(TEXTS) & set(UpdateApiKeyBody().fields), "what can be changed"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_stored_kept_and_copied(api, admin_key, name):
    caller, sent = api(admin_key), f"The {name} of this key"
    made = caller.post("/v1/api-keys", {**BODY, name: f" {sent} "}).json()
    path = f"/v1/api-keys/{made['id']}"
    assert made[name] == caller.get(path).json()[name] == sent
    assert caller.patch(path, {"allowed_networks": ["127.0.0.0/8"]}).json()[name] == sent
    assert caller.post(f"{path}/rotate", {}).json()[name] == sent


@pytest.mark.parametrize("name", ApiKey.texts)
def test_a_text_can_be_changed(api, admin_key, name):
    caller = api(admin_key)
    path = f"/v1/api-keys/{caller.post('/v1/api-keys', BODY).json()['id']}"
    assert caller.patch(path, {name: " Changed "}).json()[name] == caller.get(path).json()[name] == "Changed"


@pytest.mark.parametrize("name", ["subject", *ApiKey.texts])
def test_a_text_that_does_not_fit_is_refused(acme, name):
    """Also where the API does not check it first."""
    most = ApiKey._meta.get_field(name).max_length
    key = {"key_type": "client", "name": "Shop", "scopes": ["orders:read"], "subject": "ACME-1"}
    for wrong in ("x" * (most + 1), "two\nlines", new_key("ipk_").plaintext):
        with pytest.raises(Invalid) as caught:
            actions.create_key(actor=system(acme.pk), **{**key, name: wrong})
        assert list(caught.value.fields) == [name]
    made, _plaintext = actions.create_key(actor=system(acme.pk), **{**key, name: "x" * most})
    assert getattr(made, name) == "x" * most


@pytest.mark.parametrize("name", ApiKey.texts)
def test_a_text_is_recorded(api, admin_key, name):
    made = api(admin_key).post("/v1/api-keys", {**BODY, name: "One"}).json()
    api(admin_key).patch(f"/v1/api-keys/{made['id']}", {name: "Two"})
    entries = AuditEntry.objects.filter(target_id=made["id"]).order_by("at")
    assert [(each.action, each.changes[name]) for each in entries] == [
        ("api_key.created", [None, "One"]),
        ("api_key.updated", ["One", "Two"]),
    ]


def test_a_text_that_keys_do_not_have_is_no_argument(acme):
    with pytest.raises(TypeError, match="color"):
        actions.create_key(actor=system(acme.pk), name="Shop", key_type="partner", scopes=["users:read"], color="red")
    assert not ApiKey.objects.exists()
