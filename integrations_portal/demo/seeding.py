"""Filling the demo's database, once."""

import random

from django.db import transaction
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.notices.models import Notice
from apps.orgs.models import Membership, Organization, User
from apps.sdk_keys.models import ActivationPool, SdkKey
from apps.webhooks.models import Endpoint, EndpointSecret
from integrations_portal.demo import calls, deliveries, endpoints, keys, people, sdk_keys
from integrations_portal.demo.ledger import Ledger
from integrations_portal.demo.past import own_times

# fmt: off
DATED = (ActivationPool, ApiKey, AuditEntry, Endpoint, EndpointSecret, Membership, Notice, Organization, SdkKey, User)
# fmt: on
SEED = 2026  # the same past for everybody, apart from its ids


def seed(port: int) -> None:
    """Write two organizations and their last thirty days, in one transaction."""
    now, rng, ledger = timezone.now(), random.Random(SEED), Ledger()  # noqa: S311 - a plausible past, not a secret
    with transaction.atomic(), own_times(*DATED):
        town = people.settle(ledger, rng, now)
        made = keys.cut(ledger, town, now)
        sdk_keys.cut(ledger, rng, town, now)
        built = endpoints.build(ledger, town, port, now)
        calls.place(rng, made, now)
        deliveries.place(rng, town, built, now)
        ledger.write()
