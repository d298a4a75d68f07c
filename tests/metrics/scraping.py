"""What ``/metrics`` answers, as Prometheus reads it."""

from django.conf import settings
from django.test import Client
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


def families() -> list[Metric]:
    """Return the metric families of one scrape."""
    answer = Client(headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}).get("/metrics")
    assert answer.status_code == 200
    return list(text_string_to_metric_families(answer.content.decode()))


def samples() -> dict[tuple[str, Labels], float]:
    """Return every sample by its name and labels."""
    return {(each.name, labels(**each.labels)): each.value for family in families() for each in family.samples}


def labels(**given: str) -> Labels:
    """Return labels in one order."""
    return tuple(sorted(given.items()))
