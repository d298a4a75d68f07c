"""Create the rivals' tables, twenty users and credentials, and print the headers that each rival requires."""

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.rivals.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

from benchmarks.rivals.settings import HAS_API_KEY, HAS_KNOX  # noqa: E402

if HAS_API_KEY:
    from rest_framework_api_key.models import APIKey
if HAS_KNOX:
    from knox.models import AuthToken

PEOPLE = 20


def headers_of(user: User) -> dict[str, dict[str, str]]:
    """Create a credential for each rival whose package is installed."""
    token = {"Authorization": f"Token {Token.objects.create(user=user).key}"}
    found: dict[str, dict[str, str]] = {"bare": {}, "token": token, "usual": token}
    if HAS_API_KEY:
        found["api_key"] = {"Authorization": f"Api-Key {APIKey.objects.create_key(name='benchmark')[1]}"}
    if HAS_KNOX:
        found["knox"] = {"Authorization": f"Token {AuthToken.objects.create(user=user)[1]}"}
    return found


if __name__ == "__main__":
    call_command("migrate", run_syncdb=True, verbosity=0)
    people = [User(username=f"user{n}", first_name=f"User {n}", email=f"u{n}@acme.example") for n in range(PEOPLE)]
    User.objects.bulk_create(people)
    print(json.dumps(headers_of(User.objects.order_by("pk")[0])))
