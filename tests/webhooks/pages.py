"""Helpers of the page tests: read pages, and create endpoints, deliveries and attempts."""

import html
import re
from typing import Any

from apps.base.actor import system
from apps.webhooks import actions
from apps.webhooks.models import Attempt, Delivery, Endpoint

HERE = "/o/acme/settings/integration/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


def at(endpoint: Endpoint, rest: str = "") -> str:
    return f"{HERE}webhooks/{endpoint.public_id}/{rest}"


def text_of(page: Any) -> str:
    """Return the text of a page: without tags, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


def token_of(page: Any) -> str:
    return html.unescape(re.search(r'name="token" value="([^"]+)"', page.content.decode())[1])


def make(organization: Any, url: str = "https://hooks.acme.example/in", *patterns: str, **values: Any) -> Endpoint:
    endpoint, _secret = actions.create_endpoint(
        actor=system(organization.pk), url=url, event_types=patterns or ("*",), **values
    )
    return endpoint


def tried(delivery: Delivery, number: int = 1, **values: Any) -> Attempt:
    """Create a finished attempt, by default one that failed with a 503."""
    moment = delivery.created_at
    base = {
        "status_code": 503,
        "error": "http_error",
        "duration_ms": 84.0,
        "finished_at": moment,
        "address": "192.0.2.7",
    }
    return Attempt.objects.create(
        organization_id=delivery.organization_id, delivery=delivery, endpoint_id=delivery.endpoint_id, number=number,
        started_at=moment, **{**base, **values},
    )  # fmt: skip


def set_state(delivery: Delivery, **values: Any) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk).update(**values)
    delivery.refresh_from_db()
    return delivery
