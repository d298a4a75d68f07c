"""Event types in the admin: operators can edit the host product's; the portal's own are read-only."""

import json

import pytest
from allauth.mfa.models import Authenticator

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict
from apps.webhooks import actions as webhooks
from apps.webhooks.models import EventType
from tests.engines import make_endpoint

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "properties": {"trip_id": {"type": "string"}}, "required": ["trip_id"]}
TRIP = {"name": "trip.booked", "description": "A trip was booked.", "sample": json.dumps({"trip_id": "T-1"})}
ADD = "/admin/webhooks/eventtype/add/"


@pytest.fixture
def operator(browser_of, person):
    olga = person("Olga", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return browser_of(olga)


def trip(**values):
    return {**TRIP, "schema": json.dumps(SCHEMA), **values}


def change(browser, name, data):
    return browser.post(f"/admin/webhooks/eventtype/{EventType.objects.get(name=name).pk}/change/", data)


def test_a_type_is_added_and_recorded_and_serves_at_once(operator, api, acme_key):
    assert operator.get(ADD).status_code == 200
    assert operator.post(ADD, trip()).status_code == 302
    entry = AuditEntry.objects.get(action="event_type.created")
    assert (entry.target_label, entry.actor_kind) == ("trip.booked", "operator")
    shown = api(acme_key).get("/v1/event-types/trip.booked").json()
    assert (shown["origin"], shown["schema"], shown["sample"]) == ("host", SCHEMA, {"trip_id": "T-1"})
    accepted = api(acme_key).post("/v1/events", {"type": "trip.booked", "data": {"trip_id": "T-2"}})
    assert accepted.status_code == 202
    refused = api(acme_key).post("/v1/events", {"type": "trip.booked", "data": {}})
    assert (refused.status_code, list(refused.json()["fields"])) == (400, ["data"])


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ({"name": "Trip.Booked"}, "lower-case words"),
        ({"name": "trip"}, "lower-case words"),
        ({"name": "user.merged"}, "the portal&#x27;s own"),
        ({"name": "sdk_key.lost"}, "the portal&#x27;s own"),
        ({"name": "trip.booked; drop"}, "lower-case words"),
        ({"name": "order.created"}, "already exists"),
        ({"name": "user.created"}, "already exists"),
        ({"schema": "["}, "not acceptable JSON"),
        ({"schema": "[1]"}, "JSON object"),
        ({"schema": json.dumps({"type": "nonsense"})}, "not a valid schema"),
        ({"schema": json.dumps({"$ref": "https://schemas.example/x.json"})}, "into the schema itself"),
        ({"schema": json.dumps({"$ref": "file:///etc/passwd"})}, "into the schema itself"),
        ({"schema": '{"type": "object", "maximum": NaN}'}, "NaN"),
        ({"schema": '{"type": "object", "type": "string"}'}, "twice"),
        ({"sample": json.dumps({"trip_id": 5})}, "trip_id"),
        ({"sample": "{}"}, "trip_id"),
        ({"replaced_by": "order.created"}, "Only a deprecated type"),
        ({"is_deprecated": "on", "replaced_by": "nowhere.at_all"}, "valid choice"),
    ],
)
def test_an_invalid_form_is_explained_and_saves_nothing(operator, slip, says):
    page = operator.post(ADD, trip(**slip))
    assert page.status_code == 200 and says in page.content.decode()
    assert not EventType.objects.filter(name="trip.booked").exists()
    assert not AuditEntry.objects.filter(action="event_type.created").exists()


def test_a_reference_into_the_schema_itself_is_fine(operator):
    schema = {"$defs": {"id": {"type": "string"}}, "properties": {"trip_id": {"$ref": "#/$defs/id"}}}
    assert operator.post(ADD, trip(schema=json.dumps(schema))).status_code == 302


def test_a_deprecated_type_names_its_successor(operator, api, acme_key):
    operator.post(ADD, trip())
    data = trip(is_deprecated="on", replaced_by="order.created")
    assert change(operator, "trip.booked", data).status_code == 302
    row = EventType.objects.get(name="trip.booked")
    assert row.is_deprecated and row.deprecated_at is not None
    entry = AuditEntry.objects.get(action="event_type.updated")
    assert entry.changes["is_deprecated"] == [False, True]
    shown = api(acme_key).get("/v1/event-types/trip.booked").json()
    assert (shown["deprecated"], shown["replaced_by"]) == (True, "order.created")


def test_the_name_stays_and_the_portals_own_types_are_only_read(operator):
    operator.post(ADD, trip())
    change(operator, "trip.booked", trip(name="trip.renamed", description="Booked."))
    assert EventType.objects.get(name="trip.booked").description == "Booked."
    assert change(operator, "user.created", trip(description="Mine now")).status_code == 403
    page = operator.get(f"/admin/webhooks/eventtype/{EventType.objects.get(name='user.created').pk}/change/")
    assert page.status_code == 200 and "_save" not in page.content.decode()
    for name in ("user.created", "order.created"):
        assert delete(operator, name).status_code == 403 and EventType.objects.filter(name=name).exists()


def delete(browser, name):
    path = f"/admin/webhooks/eventtype/{EventType.objects.get(name=name).pk}/delete/"
    return browser.post(path, {"post": "yes"}, follow=True)


def test_only_an_unused_type_can_be_deleted(operator, acme):
    operator.post(ADD, trip())
    operator.post(ADD, trip(name="trip.made", is_deprecated="on", replaced_by="trip.booked"))
    endpoint = make_endpoint(acme, "https://hooks.example.com/in", "trip.booked")
    assert "Endpoints are subscribed to it: 1" in delete(operator, "trip.booked").content.decode()
    webhooks.delete_endpoint(actor=system(acme.pk), endpoint_id=endpoint.public_id)
    assert "It is the successor of trip.made" in delete(operator, "trip.booked").content.decode()
    for name in ("trip.made", "trip.booked"):
        assert delete(operator, name).status_code == 200
        assert not EventType.objects.filter(name=name).exists()
        assert AuditEntry.objects.get(action="event_type.deleted", target_label=name).actor_kind == "operator"


def test_a_successor_is_not_deprecated_itself_and_two_never_point_at_each_other(operator):
    operator.post(ADD, trip())
    change(operator, "trip.booked", trip(is_deprecated="on", replaced_by="order.created"))
    page = operator.post(ADD, trip(name="trip.made", is_deprecated="on", replaced_by="trip.booked"))
    assert page.status_code == 200 and "deprecated itself" in page.content.decode()


def test_a_concurrent_change_is_not_overwritten(operator):
    operator.post(ADD, trip())
    row = EventType.objects.get(name="trip.booked")
    seen = {"description": ["An older text.", "Mine."]}
    row.description = "Mine."
    with pytest.raises(Conflict):
        webhooks.save_event_type(actor=system(label="test"), row=row, changes=seen)
    assert EventType.objects.get(name="trip.booked").description == TRIP["description"]


def test_only_operators_have_access(browser_of, ada):
    assert browser_of(ada).post(ADD, trip()).status_code in (302, 403)
    assert not EventType.objects.filter(name="trip.booked").exists()
