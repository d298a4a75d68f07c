"""What Celery carries for webhooks: the bell, and nothing else."""

from celery import shared_task

from apps.webhooks import bell

ring = bell.notify_workers


@shared_task(name=bell.TASK, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no annotations
def wake() -> None:
    """Wake the engine of this worker process."""
    bell.wake_local_engines()
