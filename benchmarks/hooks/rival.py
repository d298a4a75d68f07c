"""The usual implementation: one Celery task per delivery with the ORM and ``requests``, and the portal's tables.

It is configured for speed: results are not stored, messages are prefetched, and each process keeps its connections to
the database and to receivers. With ``RIVAL_PLAIN=1`` connections are closed, as by default in Celery and ``requests``.
"""

import os
import threading
from typing import Any

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")
app = Celery("rival", broker=os.environ.get("RIVAL_BROKER"), set_as_current=True)
app.conf.update(
    task_ignore_result=True, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False,
    worker_prefetch_multiplier=64, worker_send_task_events=False, worker_disable_rate_limits=True,
)  # fmt: skip
IS_PLAIN = os.environ.get("RIVAL_PLAIN") == "1"
if not IS_PLAIN:
    # Otherwise Celery closes the connection to the database around every task.
    app.conf["CELERY_DB_REUSE_MAX"] = 1_000_000
django.setup()

import requests  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.webhooks.engine.signing import secret_bytes, sign  # noqa: E402
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus  # noqa: E402

TIMEOUT_SECONDS = 15
_local = threading.local()


def post(*args: Any, **options: Any) -> requests.Response:
    """Send a POST request, on a connection that this thread keeps unless IS_PLAIN."""
    if IS_PLAIN:
        return requests.post(*args, **options)
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    return _local.session.post(*args, **options)


@app.task
def deliver(delivery_id: str) -> None:
    """Send one delivery and record its attempt."""
    delivery = Delivery.objects.select_related("event", "endpoint").get(pk=delivery_id)
    body = delivery.event.body.encode()
    started = timezone.now()
    keys = [secret_bytes(each.secret) for each in delivery.endpoint.secrets.order_by("-created_at")]
    headers = sign(keys, delivery.event.public_id, int(started.timestamp()), body)
    headers |= {"content-type": "application/json", "user-agent": "Rival"}
    try:
        response = post(
            delivery.endpoint.url, data=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
        status, text, error = response.status_code, response.text[:16_384], ""
        response_headers = [list(pair) for pair in response.headers.items()]
    except requests.RequestException:
        status, text, error, response_headers = None, "", "timed_out", []
    finished = timezone.now()
    delivery.attempt_count += 1
    Attempt.objects.create(
        organization_id=delivery.organization_id, delivery=delivery, endpoint_id=delivery.endpoint_id,
        number=delivery.attempt_count, started_at=started, finished_at=finished, status_code=status, error=error,
        duration_ms=(finished - started).total_seconds() * 1000, request_headers=headers,
        response_headers=response_headers, response_body=text,
    )  # fmt: skip
    delivery.status = DeliveryStatus.SUCCEEDED if status and 200 <= status < 300 else DeliveryStatus.EXHAUSTED
    delivery.last_status_code, delivery.last_error, delivery.finished_at = status, error, finished
    delivery.next_attempt_at = None
    delivery.save(
        update_fields=["status", "attempt_count", "last_status_code", "last_error", "finished_at", "next_attempt_at"]
    )
