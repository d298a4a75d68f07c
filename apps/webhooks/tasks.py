"""What Celery carries for webhooks: the bell, and nothing else."""

from celery import shared_task

from apps.webhooks.engine import wakeup

ring = wakeup.notify_workers


@shared_task(name=wakeup.TASK, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no annotations
def wake() -> None:
    """Wake the engine of this worker process."""
    wakeup.wake_local_engines()
