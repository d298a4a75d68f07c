"""What arrives is what was signed, byte for byte, and carries what was published: any JSON that is accepted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import standardwebhooks
import svix
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.models import Event, EventType
from tests.engines import LOOPBACK, developer, engine
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ODD = st.sampled_from(["é€😀", "\u2028\u2029", "</script>", '"\\/', "\x1f\x7f\u0085", "\ufeff", "\U0010ffff", "ı̇İſ"])
NUMBERS = st.one_of(
    st.integers(-(10**60), 10**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53 + 1, -0.0, 1e-320, 1.7976931348623157e308, 0.1, 100.0, 1e16]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, ODD),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(TEXT, ODD), inner, max_size=4)),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal, with the keys in the same order, integers as integers, and -0.0 not 0.0."""
    return json.dumps(left) == json.dumps(right)


def test_any_json_arrives_as_it_was_signed_and_published(
    acme: Organization, api: Callable[..., Any], admin_key: Any, settings: Any
) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    EventType.objects.create(name="custom.any", description="Anything", schema={})
    published: dict[str, Any] = {}

    @hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(value=VALUES, ascii_only=st.booleans())
    def publish(value: Any, ascii_only: bool) -> None:
        text = json.dumps({"type": "custom.any", "data": {"value": value}}, ensure_ascii=ascii_only)
        answer = api(admin_key).client.post("/v1/events", text.encode(), content_type="application/json")
        assert answer.status_code == 202, answer.content
        published[answer.json()["id"]] = {"value": value}

    with Receiver() as receiver:
        _endpoint, secret = actions.create_endpoint(
            actor=developer(acme), url=receiver.url, event_types=["custom.any"], max_in_flight=64
        )
        publish()
        engine().run_until_idle()
    assert len(receiver.requests) == len(published) >= 60
    for request in receiver.requests:
        key = request.headers["webhook-id"]
        for library in (standardwebhooks.Webhook, svix.Webhook):
            library(secret).verify(request.body, request.headers)
        body = json.loads(request.body)
        assert request.body.decode() == next(each.body for each in Event.objects.all() if each.public_id == key)
        assert same(body["data"], published[key]) and list(body) == ["type", "timestamp", "data"]
