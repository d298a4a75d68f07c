"""The demo's local endpoints: their URLs, and the secrets of the built-in receiver.

Imports little, because it runs at each start before the web server.
"""

from apps.webhooks.models import Endpoint, EndpointSecret

RECEIVER, WAREHOUSE = "Built-in receiver of this demo", "Warehouse, at the built-in receiver"
UNREACHABLE = "ERP test server: nothing listens there"
LOCAL_URL_PREFIX = "http://127.0.0.1:"
# Description → offset of its port from the web server's, and path.
LOCAL = {RECEIVER: (1, "/hook"), WAREHOUSE: (1, "/warehouse"), UNREACHABLE: (2, "/erp")}


def local_url(description: str, port: int) -> str:
    """Return the URL of a local endpoint, given the web server's port."""
    offset, path = LOCAL[description]
    return f"{LOCAL_URL_PREFIX}{port + offset}{path}"


def update_local_urls(port: int) -> None:
    """Update the URLs of the demo's own local endpoints for this start's port."""
    for description in LOCAL:
        url = local_url(description, port)
        rows = (
            Endpoint.objects.existing()
            .filter(description=description, url__startswith=LOCAL_URL_PREFIX)
            .exclude(url=url)
        )
        # A query is cheaper than an update without rows.
        if rows.exists():
            rows.update(url=url)


def receiver_secrets(port: int) -> list[str]:
    """Return the secrets of all endpoints at the built-in receiver."""
    receiver_url_prefix = f"{LOCAL_URL_PREFIX}{port + 1}/"
    rows = EndpointSecret.objects.filter(
        endpoint__url__startswith=receiver_url_prefix, endpoint__deleted_at=None
    ).order_by("pk")
    return list(dict.fromkeys(row.secret for row in rows))
