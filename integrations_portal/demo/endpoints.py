"""Creates the demo's endpoints: healthy, paused, failing and disabled. Remote ones are never contacted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.base.actor import Actor, system
from apps.base.identifiers import uuid_at
from apps.base.models import creator
from apps.base.permissions import Permission
from apps.base.timestamps import format_timestamp, format_timestamp_ms
from apps.notices.models import Notice, Severity
from apps.orgs.models import Organization
from apps.webhooks.engine.signing import new_secret
from apps.webhooks.models import Endpoint, EndpointHealth, EndpointSecret, EndpointStatus, Subscription
from integrations_portal.demo.audit_entries import AuditEntries
from integrations_portal.demo.receiver import RECEIVER, UNREACHABLE, WAREHOUSE, local_url
from integrations_portal.demo.users import ACME, RIVAL, DemoAccounts

OLD_CRM = "Old CRM"
PAUSED_DAYS_AGO = 2
FAILING_HOURS_AGO = 4.6
FAILURES = 20
DISABLED_DAYS_AGO, TROUBLE_DAYS_AGO = 14, 19
OLD_FAILURES = 46


@dataclass(frozen=True, slots=True)
class Plan:
    """One endpoint; ``made``: its age in days."""

    description: str
    organization: str
    created_by: str
    patterns: tuple[str, ...]
    made: float
    url: str = ""
    headers: str = "{}"


PLANS = (
    Plan(OLD_CRM, ACME, "Ada", ("invoice.*",), made=100, url="https://hooks.old-crm.example/in"),
    Plan(RECEIVER, ACME, "Dev", ("*",), made=55),
    Plan(WAREHOUSE, ACME, "Dev", ("order.*",), made=40, headers='{"X-Team":"warehouse"}'),
    Plan(UNREACHABLE, ACME, "Ann", ("appointment.*", "assessment.completed"), made=28),
    Plan(RECEIVER, RIVAL, "Zed", ("order.*",), made=19),
)


@dataclass(frozen=True, slots=True)
class DemoEndpoint:
    """An endpoint with its secret in plain text, with which the demo signs past deliveries."""

    endpoint: Endpoint
    secret: str

    @property
    def name(self) -> str:
        """The description that identifies it."""
        return self.endpoint.description


def create(audit_entries: AuditEntries, accounts: DemoAccounts, port: int, now: datetime) -> list[DemoEndpoint]:
    """Create the endpoints with their secrets; those at the built-in receiver share one."""
    shared = new_secret()
    found = []
    for plan in PLANS:
        created_by = accounts.actors[plan.created_by]
        endpoint = _create(plan, created_by, accounts.organizations[plan.organization], port, now)
        secret = shared if plan.description in (RECEIVER, WAREHOUSE) else new_secret()
        EndpointSecret.objects.create(
            id=uuid_at(endpoint.created_at),
            organization_id=endpoint.organization_id,
            endpoint=endpoint,
            secret=secret,
            created_at=endpoint.created_at,
        )
        changes = {"url": [None, endpoint.url], "event_types": [None, endpoint.event_types]}
        audit_entries.add(endpoint.created_at, created_by, "endpoint.created", _target(endpoint), changes)
        found.append(DemoEndpoint(endpoint, secret))
    by_name = {built.name: built.endpoint for built in found}
    _pause(audit_entries, by_name[WAREHOUSE], accounts.actors["Dev"], now)
    _fail(audit_entries, by_name[UNREACHABLE], now)
    _disable(audit_entries, by_name[OLD_CRM], now)
    return found


def _create(plan: Plan, created_by: Actor, organization: Organization, port: int, now: datetime) -> Endpoint:
    made = now - timedelta(days=plan.made)
    endpoint = Endpoint.objects.create(
        id=uuid_at(made),
        organization_id=organization.pk,
        url=plan.url or local_url(plan.description, port),
        description=plan.description,
        event_types=list(plan.patterns),
        headers=plan.headers,
        last_success_at=now - timedelta(minutes=9) if plan.description == RECEIVER else None,
        created_at=made,
        updated_at=made,
        **creator(created_by),
    )
    Subscription.objects.bulk_create(
        Subscription(endpoint=endpoint, organization_id=endpoint.organization_id, pattern=pattern)
        for pattern in plan.patterns
    )
    return endpoint


def _target(endpoint: Endpoint) -> tuple[str, str, str]:
    return "endpoint", endpoint.public_id, endpoint.url


def _change(endpoint: Endpoint, **values: object) -> None:
    for name, value in values.items():
        setattr(endpoint, name, value)
    endpoint.save(update_fields=list(values))


def _pause(audit_entries: AuditEntries, endpoint: Endpoint, actor: Actor, now: datetime) -> None:
    paused = now - timedelta(days=PAUSED_DAYS_AGO)
    _change(endpoint, status=EndpointStatus.PAUSED, last_success_at=paused - timedelta(hours=1), updated_at=paused)
    audit_entries.add(paused, actor, "endpoint.paused", _target(endpoint), {"status": ["enabled", "paused"]})


def _fail(audit_entries: AuditEntries, endpoint: Endpoint, now: datetime) -> None:
    since = now - timedelta(hours=FAILING_HOURS_AGO)
    _change(
        endpoint,
        health=EndpointHealth.FAILING,
        failures_in_a_row=FAILURES,
        failing_since=since,
        last_success_at=since - timedelta(hours=6),
    )
    noticed = since + timedelta(hours=1)
    changes = {"health": ["healthy", "failing"]}
    audit_entries.add(noticed, system(endpoint.organization_id), "endpoint.failing", _target(endpoint), changes)
    _create_notification(
        endpoint, "endpoint.failing", Severity.WARN, since, {"failures": 10, "failing_since": format_timestamp(since)}
    )


def _disable(audit_entries: AuditEntries, endpoint: Endpoint, now: datetime) -> None:
    since, off = now - timedelta(days=TROUBLE_DAYS_AGO), now - timedelta(days=DISABLED_DAYS_AGO)
    _change(
        endpoint,
        status=EndpointStatus.DISABLED,
        health=EndpointHealth.FAILING,
        disabled_reason="failing",
        disabled_at=off,
        failures_in_a_row=OLD_FAILURES,
        failing_since=since,
        last_success_at=since - timedelta(hours=2),
    )
    portal = system(endpoint.organization_id)
    audit_entries.add(since + timedelta(hours=5), portal, "endpoint.failing", _target(endpoint))
    changes: dict[str, list[Any]] = {"status": ["enabled", "disabled"], "reason": [None, "failing"]}
    audit_entries.add(off, portal, "endpoint.disabled", _target(endpoint), changes)
    _create_notification(
        endpoint, "endpoint.disabled", Severity.BAD, off, {"reason": "failing"}, dismissed=off + timedelta(days=1)
    )


def _create_notification(
    endpoint: Endpoint,
    kind: str,
    severity: str,
    moment: datetime,
    facts: dict[str, object],
    dismissed: datetime | None = None,
) -> None:
    """Post the notification that the engine would have posted, without mail."""
    Notice.objects.create(
        id=uuid_at(moment),
        organization_id=endpoint.organization_id,
        kind=kind,
        dedupe_key=f"{kind}:{endpoint.public_id}:{format_timestamp_ms(moment)}",
        severity=severity,
        params={"host": endpoint.url.split("/")[2], **facts},
        path=f"settings/integration/webhooks/{endpoint.public_id}/",
        permission=Permission.WEBHOOKS_WRITE,
        mail_wanted=False,
        created_at=moment,
        next_mail_at=moment,
        dismissed_at=dismissed,
    )
