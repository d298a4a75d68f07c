"""Single sign-on: off unless set, by verified addresses only, never a new account, never an operator's."""

import hashlib
import hmac
import json
import time

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from apps.audit.models import AuditEntry
from apps.orgs.models import ExternalIdentity, User
from tests.authenticators import code_now, give_app
from tests.conftest import PASSWORD
from tests.identity_provider import IdentityProvider, encoded
from tests.orgs.browsers import has_access

pytestmark = pytest.mark.django_db
START, BACK, HERE = "/account/sso/", "/account/sso/callback/", "/o/acme/settings/integration/"


@pytest.fixture
def idp(settings):
    provider = IdentityProvider()
    settings.OIDC_ISSUER, settings.OIDC_NAME = provider.issuer, "Example login"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "portal", "client-secret-91"
    yield provider
    provider.stop()


def visit(idp, browser=None, path=START):
    browser = browser or Client()
    answer = browser.get(BACK, idp.visit(browser.get(path)["Location"]))
    return browser, answer


def test_without_settings_there_is_none(client, ada):
    assert client.get(START).status_code == 404 and client.get(BACK).status_code == 404
    assert "/account/sso/" not in client.get("/account/login/").content.decode()


@pytest.mark.parametrize("algorithm", ["sign_rs256", "sign_es256"])
def test_it_opens_the_account_of_the_address_and_then_that_of_the_subject(idp, ada, acme, algorithm):
    idp.sign = getattr(idp, algorithm)
    assert "Sign in with Example login" in Client().get("/account/login/").content.decode()
    browser, answer = visit(idp, path=f"{START}?next={HERE}")
    assert (answer.status_code, answer["Location"]) == (302, HERE) and has_access(browser)
    assert AuditEntry.objects.get(action="user.identity_linked").organization_id == acme.pk
    assert AuditEntry.objects.get(action="session.signed_in").changes["method"] == [None, ["openid"]]
    idp.claims = {"email": "changed@elsewhere.example", "email_verified": False}
    assert has_access(visit(idp)[0]) and ExternalIdentity.objects.get().user == ada
    token = next(headers for path, _form, headers in idp.asked if path == "/token")
    assert token["Authorization"].startswith("Basic ")


REFUSED = {
    "not verified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "unverified in words": {"email_verified": "false"},
    "nothing said": {"email_verified": None},
    "no such account": {"email": "nobody@acme.example"},
    "no address": {"email": None},
}


@pytest.mark.parametrize("claims", REFUSED.values(), ids=REFUSED)
def test_no_account_is_opened_or_made_by_an_address_that_is_not_sure(idp, ada, claims):
    idp.claims, before = claims, User.objects.count()
    browser, answer = visit(idp)
    assert answer.status_code == 403 and "invite you" in answer.content.decode()
    assert not has_access(browser) and User.objects.count() == before and not ExternalIdentity.objects.exists()


def test_operators_and_switched_off_accounts_are_not_opened(idp, person, ada):
    operator = person("Olga", is_staff=True, is_superuser=True)
    idp.claims = {"email": operator.email}
    assert visit(idp)[1].status_code == 403
    idp.claims = {}
    visit(idp)
    for values in ({"is_staff": True}, {"is_staff": False, "is_active": False}):
        User.rows.filter(pk=ada.pk).update(**values)
        browser, answer = visit(idp)
        assert answer.status_code == 403 and not has_access(browser)


def idp_with(idp, claims):
    idp.claims = claims
    return idp


FORGED = {
    "issuer": {"iss": "https://evil.example"},
    "audience": {"aud": "another-client"},
    "second audience without azp": {"aud": ["portal", "another"]},
    "authorized party": {"azp": "another-client"},
    "expired": {"exp": time.time() - 120},
    "from the future": {"iat": time.time() + 86_400},  # written when the tests are collected
    "nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "subject is a number": {"sub": 7},
    "long subject": {"sub": "x" * 300},
    "subject with a NUL": {"sub": "a\x00b"},
    "subject with half a character": {"sub": "a\ud800"},
    "address with a NUL": {"email": "ada@acme.example\x00"},
    "address with a line break": {"email": "ada@acme.example\n"},
    "endless expiry": {"exp": 10**400},
}


@pytest.mark.parametrize("claims", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_for_this_visit_opens_nothing(idp, ada, claims):
    browser, answer = visit(idp_with(idp, claims))
    assert answer.status_code == 403 and not has_access(browser)


def test_a_token_that_is_too_deep_to_read_opens_nothing(idp, ada):
    def nested(claims):
        # Deeper than any Python reads: their limits differ, and json cannot write it either.
        return json.dumps(claims)[:-1].encode() + b', "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    idp.sign = lambda claims: idp.sign_rs256(nested(claims))
    browser, answer = visit(idp)
    assert answer.status_code == 403 and not has_access(browser)


def unsigned(idp, claims):
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def signed_with_the_secret(idp, claims):
    text = f"{encoded({'alg': 'HS256'})}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(b'client-secret-91', text.encode(), hashlib.sha256).digest())}"


def with_another_body(idp, claims):
    head, _body, signature = idp.sign_rs256({**claims, "sub": "x"}).split(".")
    return f"{head}.{encoded(claims)}.{signature}"


def by_an_unknown_key(idp, claims):
    idp.kid = "nobody"
    return idp.sign_rs256(claims)


def with_an_empty_signature(idp, claims):
    return ".".join([*idp.sign_es256(claims).split(".")[:2], encoded(bytes(64))])


@pytest.mark.parametrize(
    "forge",
    [unsigned, signed_with_the_secret, with_another_body, by_an_unknown_key, with_an_empty_signature]
    + [lambda idp, claims, text=text: text for text in ("", "x", "a.b", "a.b.c", "..", "e30.e30.e30")],
)
def test_a_token_that_the_provider_did_not_sign_opens_nothing(idp, ada, forge):
    idp.sign = lambda claims: forge(idp, claims)
    browser, answer = visit(idp)
    assert answer.status_code == 403 and not has_access(browser)


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/token"}, {"jwks_uri": "file:///x"},
     {"authorization_endpoint": "javascript:alert(1)"}, {"token_endpoint": "https://["}, {"jwks_uri": None},
     {"authorization_endpoint": "http://[x"}],
)  # fmt: skip
def test_a_description_that_leads_elsewhere_is_refused(idp, ada, metadata):
    idp.metadata = metadata
    browser = Client()
    answer = browser.get(START)
    if answer.status_code == 302:
        answer = browser.get(BACK, idp.visit(answer["Location"]))
    assert answer.status_code == 403 and not has_access(browser)


def test_an_answer_belongs_to_one_question_of_one_session(idp, ada):
    browser, stranger = Client(), Client()
    query = idp.visit(browser.get(START)["Location"])
    assert stranger.get(BACK, query).status_code == 403
    assert browser.get(BACK, {**query, "state": "other"}).status_code == 403
    assert browser.get(BACK, query).status_code == 403, "the question was used up"
    assert browser.get(BACK, {"error": "access_denied"}).status_code == 403
    assert not has_access(browser) and not has_access(stranger)


def test_a_provider_that_is_away_is_said_so(idp, ada):
    idp.stop()
    assert Client().get(START).status_code == 403


def test_the_portals_second_step_is_asked_unless_the_provider_asked_one(idp, ada):
    give_app(ada)
    browser, answer = visit(idp)
    assert answer["Location"] == "/account/2fa/authenticate/" and not has_access(browser)
    browser.post("/account/2fa/authenticate/", {"code": code_now()})
    assert has_access(browser)
    for amr, opened in (("mfa", False), (["pwd"], False), (["pwd", "mfa"], True)):
        assert has_access(visit(idp_with(idp, {"amr": amr}))[0]) is opened


def test_a_provisional_password_ends_with_the_first_visit(idp, api, acme_key):
    body = {"name": "Vic", "email": "vic@example.com", "password": "known to another"}
    api(acme_key).post("/v1/users", body)
    User.objects.filter(email=body["email"]).update(signs_in_unverified=True)
    intruder = Client()
    intruder.post("/account/login/", {"login": "vic@example.com", "password": "known to another"})
    assert has_access(intruder)
    browser, _answer = visit(idp_with(idp, {"email": "VIC@example.com"}))
    assert has_access(browser) and not has_access(intruder)
    user = User.objects.get(email="vic@example.com")
    assert not user.has_usable_password() and EmailAddress.objects.get(user=user).verified


def test_it_opens_no_account_whose_address_was_changed_by_others(idp, vera, api, acme_key):
    idp.claims = {"email": vera.email}
    assert has_access(visit(idp)[0])
    api(acme_key).patch(f"/v1/users/{vera.public_id}", {"email": "next@example.com"})
    browser, answer = visit(idp)
    assert answer.status_code == 403 and not has_access(browser)


def test_who_signs_in_by_it_alone_confirms_by_it_and_only_anew(idp, ada, ann):
    browser, _answer = visit(idp)
    ada.set_unusable_password()
    ada.save()
    browser, _answer = visit(idp)
    session = browser.session
    session["account_authentication_methods"] = [{"method": "openid", "at": time.time() - 3600}]
    session.save()
    protected = "/account/2fa/totp/activate/"
    assert browser.get(protected).status_code == 302
    path = f"{START}?confirm=1&next={protected}"
    for claims in ({"auth_time": time.time() - 3600}, {"auth_time": None}, {"sub": "somebody-else"}):
        visit(idp_with(idp, claims), browser, path)
        assert browser.get(protected).status_code == 302, claims
    _browser, answer = visit(idp_with(idp, {}), browser, path)
    assert idp.query["max_age"] == "0"
    assert answer["Location"] == protected and browser.get(protected).status_code == 200


def test_a_second_subject_does_not_take_a_linked_account(idp, ada):
    visit(idp)
    assert visit(idp_with(idp, {"sub": "another-subject"}))[1].status_code == 403
    assert ExternalIdentity.objects.get().subject == "subject-1"
    assert ada.check_password(PASSWORD)


def test_an_address_that_only_userinfo_tells_counts_for_its_own_subject(idp, ada):
    idp.claims = {"email": None, "email_verified": None}
    idp.userinfo = {"sub": "somebody-else", "email": ada.email, "email_verified": True}
    assert visit(idp)[1].status_code == 403
    idp.userinfo["sub"] = "subject-1"
    assert has_access(visit(idp)[0])
