"""Fills the demo's database once."""

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
from integrations_portal.demo.past import explicit_timestamps

# fmt: off
DATED = (ActivationPool, ApiKey, AuditEntry, Endpoint, EndpointSecret, Membership, Notice, Organization, SdkKey, User)
# fmt: on
SEED = 2026  # the same data in every demo, apart from ids


def seed(port: int) -> None:
    """Create two organizations with thirty days of data, in one transaction."""
    now, rng, ledger = timezone.now(), random.Random(SEED), Ledger()  # noqa: S311 - a plausible past, not a secret
    with transaction.atomic(), explicit_timestamps(*DATED):
        accounts = people.create(ledger, rng, now)
        made = keys.create(ledger, accounts, now)
        sdk_keys.create(ledger, rng, accounts, now)
        built = endpoints.create(ledger, accounts, port, now)
        calls.create(rng, made, now)
        deliveries.create(rng, accounts, built, now)
        ledger.write()
