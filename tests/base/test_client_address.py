"""Whose address a request has: the peer, or what the own proxies vouch for; never a header that is just believed."""

from ipaddress import ip_network

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.api_keys import actions
from apps.audit.models import AuditEntry
from apps.audit.seal import sealer
from apps.base.actor import system
from apps.base.web.client_address import UNKNOWN, parse_node, resolve_client_address
from apps.orgs.models import OutgoingMail
from integrations_portal.environment.variables import Environment
from tests.conftest import PASSWORD

PROXIES = [ip_network("10.0.0.0/8"), ip_network("::1/128"), ip_network("127.0.0.1/32")]
FORWARDED = "HTTP_X_FORWARDED_FOR"


@pytest.mark.pure
@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("203.0.113.1, 198.51.100.9", "198.51.100.9"),
        ("203.0.113.1, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("203.0.113.1, 198.51.100.9:80, 10.2.3.4:81", "198.51.100.9"),
        ("", UNKNOWN),
        ("nonsense", UNKNOWN),
        ("203.0.113.1, nonsense", UNKNOWN),
        ("203.0.113.1, nonsense, 10.2.3.4", UNKNOWN),
        ("nonsense, 203.0.113.1", "203.0.113.1"),
        ("203.0.113.1, , 10.2.3.4", UNKNOWN),
        ("10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("203.0.113.1, ::ffff:10.9.9.9", "203.0.113.1"),
    ],
)
def test_it_reads_from_the_right_and_stops_at_the_first_that_nobody_vouches_for(settings, forwarded, address):
    settings.TRUSTED_PROXIES = PROXIES
    assert resolve_client_address("10.0.0.1", {FORWARDED: forwarded}, "/v1/me") == address


@pytest.mark.pure
def test_what_is_not_sent_is_unknown_but_for_probes(settings):
    settings.TRUSTED_PROXIES = PROXIES
    assert (
        resolve_client_address("10.0.0.1", {}, "/v1/me")
        == resolve_client_address("10.0.0.1", {}, "/healthz/")
        == UNKNOWN
    )
    assert {resolve_client_address("10.0.0.1", {}, path) for path in ("/healthz", "/readyz", "/metrics")} == {
        "10.0.0.1"
    }


@pytest.mark.pure
@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("198.51.100.9:_abc", "198.51.100.9"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("fe80::1%25", "fe80::1"),
        ("[198.51.100.9]", "198.51.100.9"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("[2001:DB8:0:0:0:0:0:1]", "2001:db8::1"),
        *((text, UNKNOWN) for text in (
            "198.51.100.9:", "198.51.100.9:http", "198.51.100.9%eth0", "198.51.100.010", "198.51.100",
            "[]", "[]:80", "[2001:db8::1]443", "2001:db8::1]", "[[2001:db8::1]]", '""', '"', "١٩٨.51.100.9", "fe80::1%",
            "198.51.100.9\n", "\u00a0198.51.100.9", "localhost", "-", "null", "::", "[::]:80", "unix:", "1" * 200,
        )),
    ],
)  # fmt: skip
def test_a_node_is_read_strictly(node, address):
    assert parse_node(node) == address


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "status"),
    [
        ([], "127.0.0.1", "203.0.113.5", 403),
        (PROXIES, "127.0.0.1", "203.0.113.5", 200),
        (PROXIES, "127.0.0.1", "203.0.113.5, 198.51.100.1", 403),
        (PROXIES, "198.51.100.1", "203.0.113.5", 403),
        (PROXIES, "::ffff:127.0.0.1", "203.0.113.5", 200),
        ([], "203.0.113.5", "", 200),
        ([], "::ffff:203.0.113.5", "", 200),
    ],
)
def test_a_keys_networks_see_that_address(api, make_key, acme, settings, proxies, remote, forwarded, status):
    settings.TRUSTED_PROXIES = proxies
    key = make_key(acme, "users:read", allowed_networks=["203.0.113.0/24"])
    answer = api(key).get("/v1/me", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert answer.status_code == status
    assert answer.json().get("code") == (None if status == 200 else "ip_not_allowed")


@pytest.mark.django_db
def test_an_unknown_address_was_never_seen_before(api, acme_key, acme, settings, django_capture_on_commit_callbacks):
    settings.TRUSTED_PROXIES = PROXIES
    assert api(acme_key).get("/v1/users").status_code == 200, "it was used from there, and is not remembered for it"
    with django_capture_on_commit_callbacks(execute=True):
        actions.change_key(
            "quarantine", actor=system(acme.pk), key_id=acme_key.row.public_id, reason="Found on the web"
        )
    assert api(acme_key).get("/v1/users").json()["code"] == "key_quarantined"


@pytest.mark.django_db
def test_unknown_addresses_share_a_limit_of_their_own(client, settings):
    settings.TRUSTED_PROXIES, settings.AUTH_FAILURES_PER_MINUTE = PROXIES, 2
    wrong = {"X-API-Key": "ipk_wrong"}
    statuses = [client.get("/v1/me", headers={**wrong, "X-Forwarded-For": text}).status_code for text in "abc"]
    assert statuses == [401, 401, 429]
    assert client.get("/v1/me", headers={**wrong, "X-Forwarded-For": "127.0.0.1"}).status_code == 401


@pytest.mark.django_db
def test_somebody_signs_in_from_an_unknown_address(client, ada, settings):
    settings.TRUSTED_PROXIES = PROXIES
    ada.last_login = timezone.now()
    ada.save(update_fields=["last_login"])
    assert client.post("/account/login/", {"login": ada.email, "password": PASSWORD}).status_code == 302
    ada.language = "fr"
    ada.save(update_fields=["language"])
    page = client.get("/account/sessions/").content.decode()
    assert "inconnu" in page and "0.0.0.0" not in page
    assert "From: unknown" in OutgoingMail.objects.get().body
    entry = AuditEntry.objects.get(action="session.signed_in")
    assert (
        entry.address == "unknown" and "inconnu" in client.get("/o/acme/settings/integration/audit/").content.decode()
    )
    form = client.get("/o/acme/settings/integration/api-keys/create/?type=partner").content.decode()
    assert "data-append" not in form, "there is no address to add"


@pytest.mark.django_db
def test_a_sealed_entry_from_an_unknown_address_verifies(api, admin_key, acme, settings):
    settings.TRUSTED_PROXIES = PROXIES
    assert (
        api(admin_key).post("/v1/users", {"name": "Q", "email": "q@x.example", "password": PASSWORD}).status_code == 201
    )
    assert sealer.seal_due()
    call_command("verify_audit", org="acme")


@pytest.mark.django_db
def test_what_the_scheme_was_is_not_guessed(api, acme_key, settings):
    settings.TRUSTED_PROXIES, settings.HTTPS = PROXIES, True
    for proto, status in (("https", 200), ("http, HTTPS", 200), ("", 403), ("https, http", 403), ("https;", 403)):
        headers = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": proto}
        assert api(acme_key).get("/v1/me", headers=headers, secure=True).status_code == status, proto


@pytest.mark.pure
def test_a_proxy_may_be_named_as_a_dual_stack_socket_writes_it(monkeypatch):
    monkeypatch.setenv("TRUSTED_PROXIES", "::ffff:10.0.0.0/104,::ffff:192.0.2.1,2001:db8::/64")
    found = [str(network) for network in Environment().networks("TRUSTED_PROXIES")]
    assert found == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/64"]
