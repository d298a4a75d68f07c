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
from integrations_portal.demo import calls, deliveries, endpoints, keys, sdk_keys, users
from integrations_portal.demo.activity_times import explicit_timestamps
from integrations_portal.demo.audit_entries import AuditEntries

MODELS_WITH_AUTO_NOW = (
    *(ActivationPool, ApiKey, AuditEntry, Endpoint, EndpointSecret),
    *(Membership, Notice, Organization, SdkKey, User),
)
SEED = 2026  # the same data in every demo, apart from ids


def seed(port: int) -> None:
    """Create two organizations with thirty days of data, in one transaction."""
    now, rng, audit_entries = timezone.now(), random.Random(SEED), AuditEntries()  # noqa: S311 - a plausible past, not a secret
    with transaction.atomic(), explicit_timestamps(*MODELS_WITH_AUTO_NOW):
        accounts = users.create(audit_entries, rng, now)
        made = keys.create(audit_entries, accounts, now)
        sdk_keys.create(audit_entries, rng, accounts, now)
        built = endpoints.create(audit_entries, accounts, port, now)
        calls.create(rng, made, now)
        deliveries.create(rng, accounts, built, now)
        audit_entries.write()
