"""What a browser may open."""

from django.test import Client


def has_access(browser: Client, slug: str = "acme") -> bool:
    """Tell whether a browser is signed in as a member of the organization."""
    return browser.get(f"/o/{slug}/settings/integration/").status_code == 200
