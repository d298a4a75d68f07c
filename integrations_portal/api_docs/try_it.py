"""Lead from an operation of the reference to its form in the browsable API, on an object of the organization."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from apps.api_keys.models import ApiKey
from apps.base.actor import Actor
from apps.base.rest.browsable.paths import Path, paths_by_route
from apps.orgs.models import Invitation, Membership
from apps.sdk_keys.models import Activation, SdkKey
from apps.webhooks.models import Delivery, Endpoint, Event, EventType, ReplayJob
from integrations_portal.api_docs.reader import Reader, reader_of
from integrations_portal.api_docs.reference import ServedOperation, served_operations

# The object to begin with, by the first segment of its path: the newest that most operations accept.
OBJECTS: Mapping[str, Callable[[Actor], Any]] = {
    "users": lambda actor: Membership.objects.for_actor(actor),
    "invitations": lambda actor: Invitation.objects.for_actor(actor).visible().open(),
    "api-keys": lambda actor: ApiKey.objects.for_actor(actor).live(),
    "sdk-keys": lambda actor: SdkKey.objects.for_actor(actor).live(),
    "webhook-endpoints": lambda actor: Endpoint.objects.for_actor(actor).existing(),
    "events": lambda actor: Event.objects.for_actor(actor).filter(test=False),
    "deliveries": lambda actor: Delivery.objects.for_actor(actor),
    "replays": lambda actor: ReplayJob.objects.for_actor(actor),
    "event-types": lambda _actor: EventType.objects.all(),
}


@login_required
@require_safe
def try_operation(request: HttpRequest, operation_id: str, routes: list[Any]) -> HttpResponse:
    """Redirect to the page of the browsable API that has the operation's form; to its list if there is no object."""
    served = next((each for each in served_operations(routes) if each.operation.id == operation_id), None)
    if served is None or not served.is_for_members:
        raise Http404
    reader = reader_of(request)
    query = {"organization": reader.slug} if reader.slug else {}
    path = _page_of(served)
    values = _object_values(path, reader)
    if values is None:
        return HttpResponseRedirect(_url(_list_of(path).route, query))
    query |= _required_values(path, reader)
    anchor = "" if served.method == "GET" else f"#{operation_id}"
    return HttpResponseRedirect(_url(path.at(values), query) + anchor)


def _url(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _page_of(served: ServedOperation) -> Path:
    """Return the path whose page has the operation's form: its own, or the one above an action.

    The page above leads to a file, too: its own would start the download.
    """
    own, above = paths_by_route()[served.route], paths_by_route().get(served.route.rpartition("/")[0])
    is_action = "GET" not in own.view.operations and not served.route.endswith("}")
    is_file = any(response.media_types for response in served.operation.responses.values())
    if (is_action or is_file) and above is not None and above.is_readable:
        return above
    return own


def _list_of(path: Path) -> Path:
    """Return the list that has the objects of a path; the path itself where it has no parameters."""
    return paths_by_route()[path.route.partition("/{")[0]]


def _object_values(path: Path, reader: Reader) -> dict[str, str] | None:
    """Return the parameters of a path for an object that the reader can see, or None if there is none."""
    actor = reader.actor
    if not path.names:
        return {}
    needed = _list_of(path).view.operations["GET"].permissions
    if actor is None or (needed and not actor.usable(needed)):
        return None
    if path.names == ["id", "act"]:
        return _activation_values(actor)
    row = OBJECTS[path.resource](actor).order_by("-pk").first()
    return None if row is None else {path.names[0]: _public_name(row)}


def _activation_values(actor: Actor) -> dict[str, str] | None:
    activation = Activation.objects.for_actor(actor).active().order_by("-pk").first()
    key = activation and SdkKey.objects.for_actor(actor).filter(pool_id=activation.pool_id).order_by("-pk").first()
    return {"id": key.public_id, "act": activation.public_id} if activation and key else None


def _public_name(row: Any) -> str:
    """Return what paths call a row: the id of a member is that of the user, and an event type has a name."""
    if isinstance(row, Membership):
        return row.user_public_id
    return row.name if isinstance(row, EventType) else str(row.public_id)


def _required_values(path: Path, reader: Reader) -> dict[str, str]:
    """Return the query parameters that a page cannot do without; ``of`` is the reader."""
    reading = path.view.operations.get("GET")
    found = {each.name: str(each.example) for each in reading.parameters if each.required} if reading else {}
    if "of" in found and reader.actor is not None:
        found["of"] = reader.actor.id
    return found
