"""The endpoints on this machine: where they are at this start, and what the built-in receiver verifies with.

Imports little: this runs at each start, before the web server does.
"""

from apps.webhooks.models import Endpoint, EndpointSecret

RECEIVER, WAREHOUSE = "Built-in receiver of this demo", "Warehouse, at the built-in receiver"
UNREACHABLE = "ERP test server: nothing listens there"
HERE = "http://127.0.0.1:"
# Description → how far its port is from the portal's, and its path.
LOCAL = {RECEIVER: (1, "/hook"), WAREHOUSE: (1, "/warehouse"), UNREACHABLE: (2, "/erp")}


def local_url(description: str, port: int) -> str:
    """Return the address of one of these endpoints, for the portal's port."""
    offset, path = LOCAL[description]
    return f"{HERE}{port + offset}{path}"


def follow_port(port: int) -> None:
    """Move the endpoints to where they are at this start; those that somebody else made stay."""
    for description in LOCAL:
        url = local_url(description, port)
        rows = Endpoint.objects.existing().filter(description=description, url__startswith=HERE).exclude(url=url)
        # A look is cheaper than a write that finds nothing to change.
        if rows.exists():
            rows.update(url=url)


def receiver_secrets(port: int) -> list[str]:
    """Return what the built-in receiver verifies with: the secrets of all endpoints that stand there."""
    there = f"{HERE}{port + 1}/"
    rows = EndpointSecret.objects.filter(endpoint__url__startswith=there, endpoint__deleted_at=None).order_by("pk")
    return list(dict.fromkeys(row.secret for row in rows))
