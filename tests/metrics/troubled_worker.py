"""A real worker process two of whose jobs are in trouble: ``python -m tests.metrics.troubled_worker``."""

import time

import django


def fail() -> None:
    """Raise, as a job with a fault does."""
    raise RuntimeError("as always")


def hang() -> None:
    """Take longer than any test."""
    time.sleep(600)


def main() -> None:
    """Run the worker."""
    django.setup()
    from django.core.management import call_command

    from apps.base.extension_points import periodic_jobs
    from apps.base.extension_points.periodic_jobs import PeriodicJob

    here = "tests.metrics.troubled_worker"
    periodic_jobs.register(
        PeriodicJob("a.fail", f"{here}.fail", every_seconds=0.2, budget_seconds=5, does="Fails."),
        PeriodicJob("a.hang", f"{here}.hang", every_seconds=0.2, budget_seconds=1, does="Hangs."),
    )
    call_command("worker")


if __name__ == "__main__":
    main()
