"""The plain texts of a key, whichever there are: a field that one of the places does not know is lost on the way."""

import pytest

from apps.api_keys.serializers import CreateApiKeyBody, UpdateApiKeyBody
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


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_stored_kept_and_copied(api, admin_key, name):
    caller, sent = api(admin_key), f"The {name} of this key"
    made = caller.post("/v1/api-keys", {**BODY, name: f" {sent} "}).json()
    path = f"/v1/api-keys/{made['id']}"
    assert made[name] == caller.get(path).json()[name] == sent
    assert caller.patch(path, {"allowed_networks": ["127.0.0.0/8"]}).json()[name] == sent
    assert caller.post(f"{path}/rotate", {}).json()[name] == sent


@pytest.mark.parametrize("name", sorted(set(TEXTS) & set(UpdateApiKeyBody().fields)))
def test_a_text_can_be_changed(api, admin_key, name):
    caller = api(admin_key)
    path = f"/v1/api-keys/{caller.post('/v1/api-keys', BODY).json()['id']}"
    assert caller.patch(path, {name: " Changed "}).json()[name] == caller.get(path).json()[name] == "Changed"
