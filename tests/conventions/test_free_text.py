"""Every text that somebody chooses, and that is stored or shown, is one line without a secret: API and forms alike.

The fields come from the operations and from the classes of forms, so that a new one is in the test without a line here.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from rest_framework import serializers

from apps.base.crypto.secrets import new_key
from apps.base.models import SpentForm
from apps.base.rest.fields import IPAddress, PlainText
from apps.base.rest.serializers import StrictSerializer
from apps.base.text.validation import validate_plain_text
from apps.base.web.forms import EmailAddressField
from apps.webhooks.models import Endpoint, Event
from tests.conventions.conftest import Samples
from tests.conventions.routes import routes, routes_for

# Texts of the API that are not shown as they came: a rule of their own, or no rule because they are secret.
OPAQUE = {
    "password": "a secret: any characters",
    "key": "the key that is asked about",
    "where": "redacted, as the place of a leak may hold the key",
    "url": "outbound.check_url takes no control or invisible character, and masks query values",
    "app_version": "cleaned: nothing that a device reports is a reason to refuse it",
    "os_version": "cleaned, likewise",
}
# Fields of forms, likewise.
UNCHECKED = {
    "token": "ours", "setup": "ours, signed", "credential": "a passkey's own", "remember": "no text",
    "code": "a secret", "otp_code": "a secret", "secret": "a secret",
    "password": "a secret", "password1": "a secret", "password2": "a secret", "oldpassword": "a secret",
    "confirm_password": "a secret", "login": "compared with addresses, never stored",
    "confirm_name": "compared, never stored", "confirm_slug": "compared, never stored",
    "url": "outbound.check_url", "headers": "outbound.check_header; values are secrets",
    "app_id": "a pattern of its own", "cert_sha256": "a pattern of its own", "origins": "parsed", "networks": "parsed",
    "schema": "JSON", "sample": "JSON", "name": "of a scope, a type of keys or events: a pattern of its own",
}  # fmt: skip
ZERO_WIDTH = "zero\u200bwidth"


def leaves(field: serializers.Field, name: str) -> Iterator[tuple[str, serializers.Field]]:
    if isinstance(field, StrictSerializer):
        for inner, each in field.fields.items():
            yield from leaves(each, inner)
    elif isinstance(field, serializers.ListField):
        yield from leaves(field.child, name)
    elif isinstance(field, serializers.CharField):
        yield name, field


def texts_of_bodies() -> Iterator[tuple[str, serializers.Field]]:
    for route in routes_for("api", "sdk"):
        for operation in route.view.cls.operations.values():
            if operation.body is not None:
                yield from leaves(operation.body(), "")


def all_forms(form: type[forms.BaseForm] = forms.BaseForm) -> set[type[forms.BaseForm]]:
    return {form}.union(*(all_forms(each) for each in form.__subclasses__()))


def refuses_secrets(field: Any) -> bool:
    try:
        for check in field.validators:
            check(new_key("ipk_").plaintext)
    except (ValidationError, serializers.ValidationError):
        return True
    return False


def test_every_text_of_a_body_is_checked():
    found = list(texts_of_bodies())
    assert {name for name, field in found if type(field) is PlainText} > {
        "name",
        "description",
        "subject",
        "reason",
        "id",
        "device_id",
    }
    odd = {name for name, field in found if not isinstance(field, (PlainText, IPAddress, serializers.EmailField))}
    assert odd == set(OPAQUE)
    assert [
        name for name, field in found if isinstance(field, PlainText) and validate_plain_text not in field.validators
    ] == []


def test_every_text_of_a_form_is_checked():
    assert routes()  # which imports every form
    ours = [form for form in all_forms() if form.__module__.startswith("apps.")]
    fields = [(form, name, field) for form in ours for name, field in form.base_fields.items()]
    texts = [
        each for each in fields if isinstance(each[2], forms.CharField) and not isinstance(each[2], EmailAddressField)
    ]
    assert len(texts) > 30
    missing = {
        f"{form.__name__}.{name}" for form, name, field in texts if name not in UNCHECKED and not refuses_secrets(field)
    }
    assert missing == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [ZERO_WIDTH, "two\nlines", new_key("ipk_").plaintext, "see whsec_" + "a" * 32],
    ids=["invisible", "two lines", "key", "secret"],
)
def test_the_api_names_the_field_and_stores_nothing(api, admin_key, samples: Samples, text):
    endpoint = {"url": "https://hooks.acme.example/new", "event_types": ["order.*"], "description": text}
    event = {"type": "order.created", "data": {}, "id": text}
    events, endpoints = Event.objects.count(), Endpoint.objects.count()
    for path, body, field in (
        ("/v1/webhook-endpoints", endpoint, "description"),
        ("/v1/events", event, "id"),
        ("/v1/events/batch", {"events": [event]}, "events.0.id"),
        ("/v1/users", {"name": text, "email": "jo@example.com", "password": "password1"}, "name"),
        (f"/v1/api-keys/{admin_key.row.public_id}/disable", {"reason": text}, "reason"),
    ):
        answer = api(admin_key).post(path, body)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field]), path
        assert text not in answer.content.decode()
    assert (Event.objects.count(), Endpoint.objects.count()) == (events, endpoints)


@pytest.mark.django_db
def test_a_form_says_it_beside_the_field_and_keeps_what_was_typed(browser_of, ada, acme):
    page = browser_of(ada).post("/account/", {"name": ZERO_WIDTH})
    assert page.status_code == 422 and "invisible characters" in page.content.decode()
    assert not SpentForm.objects.exists()
