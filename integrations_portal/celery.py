"""The Celery app. It only wakes workers: messages without data, whose loss costs one poll."""

import os
import re

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")

TIMEOUT_SECONDS = 1
# A worker waits at most one second for a message, so a broker that is silent for longer is unavailable.
SOCKET_TIMEOUT_SECONDS = 5


def make_app() -> Celery:
    """Return the Celery app with the broker of Django's settings."""
    # kombu uses another URL scheme for Redis on a Unix socket.
    broker = re.sub(r"^unix://", "redis+socket://", settings.CELERY_BROKER_URL).replace("?db=", "?virtual_host=")
    celery_app = Celery("integrations_portal", set_as_current=True)
    celery_app.conf.update(
        # Without these Celery reads CELERY_BROKER_URL from the environment itself.
        broker_read_url=broker or None,
        broker_write_url=broker or None,
        # The name that running brokers have.
        task_default_queue="portal-bell",
        task_acks_late=False,
        task_ignore_result=True,
        task_publish_retry=False,
        task_create_missing_queues=True,
        result_backend=None,
        worker_pool="threads",
        worker_concurrency=2,
        worker_prefetch_multiplier=4,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 60,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "socket_timeout": SOCKET_TIMEOUT_SECONDS,
            "max_retries": 0,
        },
        imports=("apps.webhooks.tasks",),
    )
    return celery_app


app = make_app()
