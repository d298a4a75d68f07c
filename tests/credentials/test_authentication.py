"""How a key is sent, and every way it can be refused."""

import base64
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.base.actor import system
from apps.base.crypto.secrets import new_key
from apps.base.text.redaction import hide_keys, redact
from apps.orgs.models import Organization

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", "Bearer {}"),
        ("Authorization", "bearer {}"),
        ("Authorization", "x-api-key {}"),
        ("Authorization", "X-API-Key {}"),
        ("X-API-Key", "{}"),
    ],
)
def test_it_takes_each_form(client, acme, acme_key, header):
    answer = client.get("/v1/me", headers={header[0]: header[1].format(acme_key.text)})
    assert answer.status_code == 200
    body = answer.json()
    assert body["organization"] == {"id": acme.public_id, "name": "Acme Travel", "slug": "acme"}
    assert body["key"]["mask"] == acme_key.row.mask
    assert [limit["name"] for limit in body["limits"]] == ["minute", "hour"]
    assert body["limits"][0]["remaining"] == 99


def test_the_same_key_twice_is_fine_and_two_keys_are_not(client, acme_key, rival_key):
    both = {**acme_key.headers, "X-API-Key": acme_key.text}
    assert client.get("/v1/me", headers=both).status_code == 200
    answer = client.get("/v1/me", headers={**acme_key.headers, "X-API-Key": rival_key.text})
    assert (answer.status_code, answer.json()["code"]) == (400, "ambiguous_credentials")


def test_no_key_is_401_and_a_key_in_the_query_is_named(client, acme_key):
    answer = client.get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_api_key")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    answer = client.get(f"/v1/me?api_key={acme_key.text}")
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_api_key")
    assert "query string" in answer.json()["error"]
    assert acme_key.text not in answer.content.decode()


def test_other_schemes_count_as_no_key(client, acme_key):
    answer = client.get("/v1/me", headers={"Authorization": f"Basic {acme_key.text}"})
    assert answer.json()["code"] == "missing_api_key"


def _wrong_keys(text):
    other = new_key("ipk_").plaintext
    swapped = text[:20] + ("a" if text[20] != "a" else "b") + text[21:]
    return {
        "garbage": "garbage",
        "wrong checksum": swapped,
        "unknown id": other,
        "wrong secret": _with_checksum(text[:16] + other[16:48]),
        "another prefix": new_key("ips_").plaintext,
    }


def _with_checksum(body):
    from apps.base.crypto.secrets import checksum

    return body + checksum(body)


@pytest.mark.parametrize("kind", ["garbage", "wrong checksum", "unknown id", "wrong secret", "another prefix"])
def test_every_wrong_key_looks_alike(client, acme_key, kind):
    wrong = _wrong_keys(acme_key.text)[kind]
    answer = client.get("/v1/me", headers={"X-API-Key": wrong.encode().decode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert answer.json()["error"] == "Invalid API key provided."
    assert "RateLimit-Limit" not in answer


def test_states_are_told_only_after_the_secret_matched(api, acme, acme_key, django_capture_on_commit_callbacks):
    ApiKey.objects.filter(pk=acme_key.row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert api(acme_key).get("/v1/me").json()["code"] == "expired_api_key"
    ApiKey.objects.filter(pk=acme_key.row.pk).update(expires_at=None, disabled_at=timezone.now())
    assert api(acme_key).get("/v1/me").json()["code"] == "disabled_api_key"
    ApiKey.objects.filter(pk=acme_key.row.pk).update(disabled_at=None)
    assert api(acme_key).get("/v1/me").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        actions.revoke_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    answer = api(acme_key).get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "revoked_api_key")
    assert "RateLimit-Limit" not in answer
    wrong = _with_checksum(acme_key.text[:16] + new_key("ipk_").plaintext[16:48])
    assert api(wrong).get("/v1/me").json()["code"] == "invalid_api_key"


def test_a_suspended_organization_is_403(api, acme, acme_key):
    Organization.objects.filter(pk=acme.pk).update(status="suspended")
    answer = api(acme_key).get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "organization_suspended")
    assert answer["RateLimit-Remaining"] == "99"


def test_a_key_is_bound_to_its_networks(client, make_key, acme):
    key = make_key(acme, allowed_networks=["203.0.113.0/24"])
    answer = client.get("/v1/me", headers=key.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "ip_not_allowed")
    answer = client.get("/v1/me", headers={**key.headers, "X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == 403
    assert client.get("/v1/me", headers=key.headers, REMOTE_ADDR="203.0.113.9").status_code == 200


def test_a_trusted_proxy_tells_the_address(client, settings, make_key, acme):
    import ipaddress

    settings.TRUSTED_PROXIES = (ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("10.0.0.0/8"))
    key = make_key(acme, allowed_networks=["203.0.113.0/24"])
    told = {"X-Forwarded-For": "203.0.113.9, 10.1.2.3"}
    assert client.get("/v1/me", headers={**key.headers, **told}).status_code == 200
    spoofed = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1, 10.1.2.3"}
    assert client.get("/v1/me", headers={**key.headers, **spoofed}).status_code == 403


def test_failing_authentications_are_limited_per_address(client, settings, acme_key):
    settings.AUTH_FAILURES_PER_MINUTE = 3
    codes = [client.get("/v1/me", headers={"X-API-Key": "garbage"}).json()["code"] for _ in range(5)]
    assert codes == ["invalid_api_key"] * 3 + ["rate_limited"] * 2
    answer = client.get("/v1/me", headers={"X-API-Key": "garbage"})
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 60
    assert client.get("/v1/me").json()["code"] == "missing_api_key"
    assert client.get("/v1/me", headers=acme_key.headers).status_code == 200
    elsewhere = client.get("/v1/me", headers={"X-API-Key": "garbage"}, REMOTE_ADDR="203.0.113.77")
    assert elsewhere.json()["code"] == "invalid_api_key"


def named(key):
    """What people send instead of a key, and a word of what the answer says of it."""
    return {
        **dict.fromkeys((f'"{key}"', f"'{key}'", f"“{key}”", f"`{key}`"), "quotes"), f"<{key}>": "brackets",
        **dict.fromkeys((f"\u00a0{key}", f"{key[:9]}\u200b{key[9:]}", f"\ufeff{key}"), "invisible"),
        **dict.fromkeys(("ipk_8Kq2••••x9Tf", "ipk_8Kq2...x9Tf", "ipk_8Kq2****x9Tf", "ipk_8Kq2…x9Tf"), "masked"),
        **dict.fromkeys(("${API_KEY}", "{{ key }}", "<your key>", "%KEY%", "YOUR_API_KEY"), "placeholder"),
        f"Bearer {key}": "Bearer", f"key={key}": "stands before", f"{key[:20]} {key[20:]}": "space",
        key[:-1]: "53", f"{key}x": "55", key * 9: "more", f"%22{key}": "percent",
        f"{key[:20]}-{key[21:]}": "letters and digits", "whsec_abc": "signing secret",
        "eyJhbGciOi.eyJzdWIi.x": "JSON Web Token",
    }  # fmt: skip


def test_what_is_sent_instead_of_a_key_is_named_and_not_repeated(client, acme_key, settings):
    settings.AUTH_FAILURES_PER_MINUTE = 0
    for text, word in named(acme_key.text).items():
        for headers in ({"Authorization": f"Bearer {text}"}, {"X-API-Key": text}):
            sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
            answer = client.get("/v1/me", headers=sent)
            said = answer.json()
            assert (answer.status_code, said["code"]) == (401, "invalid_api_key"), text
            assert said["error"].startswith("Invalid API key provided. ") and word in said["error"], text
            assert acme_key.text[4:] not in answer.content.decode() and text not in said["error"]


def test_long_texts_cost_nothing(client, settings):
    settings.AUTH_FAILURES_PER_MINUTE = 0
    started = time.thread_time()
    for text in ("a" + ":" * 60_000, "ipk_" + "%2" * 30_000, "{" * 60_000, "=ipk_" * 12_000, "-" * 60_000 + "ipk"):
        assert client.get("/v1/me", headers={"X-API-Key": text}).status_code == 401
    assert time.thread_time() - started < 2


def test_somebody_elses_token_beside_a_key_is_passed_over(client, acme_key, rival_key):
    foreign = {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"}
    assert client.get("/v1/me", headers={**foreign, "X-API-Key": acme_key.text}).status_code == 200
    assert client.get("/v1/me", headers=foreign).json()["code"] == "invalid_api_key"
    quoted = {"Authorization": f'Bearer "{rival_key.text}"', "X-API-Key": acme_key.text}
    assert client.get("/v1/me", headers=quoted).json()["code"] == "ambiguous_credentials"
    garbled = {**acme_key.headers, "X-API-Key": "\xff"}
    assert client.get("/v1/me", headers=garbled).json()["code"] == "ambiguous_credentials"


def basic(pair):
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def test_a_key_may_be_the_user_name_or_the_password_of_basic(client, acme_key, rival_key):
    for pair in (f"{acme_key.text}:", f"api:{acme_key.text}", f"{acme_key.text}:{acme_key.text}", acme_key.text):
        assert client.get("/v1/me", headers=basic(pair)).status_code == 200
    both = basic(f"{acme_key.text}:{rival_key.text}")
    assert client.get("/v1/me", headers=both).json()["code"] == "ambiguous_credentials"
    assert client.get("/v1/me", headers=basic(f"{acme_key.text[:-1]}:")).json()["code"] == "invalid_api_key"
    for pair in ("ada:secret", ":", ""):
        assert client.get("/v1/me", headers=basic(pair)).json()["code"] == "missing_api_key"
        assert client.get("/v1/me", headers={**basic(pair), "X-API-Key": acme_key.text}).status_code == 200
    sent = basic(f"{acme_key.text}:")["Authorization"].partition(" ")[2]
    assert sent[9:] not in redact(f"it retried with {sent}") and sent[9:] not in hide_keys(sent)


def test_a_key_without_its_scheme_is_named(client, acme_key):
    for value in (acme_key.text, f"Token {acme_key.text}", f"ApiKey {acme_key.text}", f"Bearer:{acme_key.text}"):
        said = client.get("/v1/me", headers={"Authorization": value}).json()
        assert said["code"] == "missing_api_key" and "Authorization header has a key" in said["error"]
        assert acme_key.text not in str(said)


def test_an_empty_header_is_not_one_that_was_left_out(client, acme_key, ada, browser_of):
    for headers in (
        {"X-API-Key": ""},
        {"Authorization": ""},
        {**acme_key.headers, "X-API-Key": ""},
        {"X-API-Key": "a,"},
    ):
        assert client.get("/v1/me", headers=headers).json()["code"] == "invalid_api_key"
    answer = browser_of(ada).get("/v1/users", headers={"X-API-Key": "", "Accept": "text/html"})
    assert answer.status_code == 401, "a session does not stand in for a key that could not be read"
