"""The Celery task that wakes workers; the queue of deliveries is in the database."""

from celery import shared_task

from apps.webhooks.engine import wakeup


@shared_task(name=wakeup.TASK, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no annotations
def wake() -> None:
    """Wake the engine of this worker process."""
    wakeup.wake_local_engines()
