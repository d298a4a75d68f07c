"""What several pages of this app do."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.forms import Form

from apps.base.errors import PortalError, Text
from apps.base.requests import PortalRequest
from apps.webhooks.models import Endpoint


def the_endpoint(request: PortalRequest, endpoint_id: str) -> Endpoint:
    """This will return an endpoint of the organization, or raise NotFound."""
    return Endpoint.objects.for_actor(request.actor).existing().with_public_id(endpoint_id)


def blame(form: Form, error: PortalError) -> None:
    """This will put what an action refuses beside the fields of a form."""
    blamed: Mapping[Any, Sequence[Text]] = error.fields or {None: [error.message]}
    for name, texts in blamed.items():
        form.add_error(name if name in form.fields else None, [str(text) for text in texts])
