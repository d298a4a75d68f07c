"""OpenID Connect sign-in as a relying party: authorization code flow with PKCE, state and nonce.

OpenID Connect Core 1.0 sections 3.1.2 and 3.1.3, RFC 7636. The signature of the ID token is always checked, by
algorithms with a key pair only. Requests go to the provider that the operator chose, and follow no redirect.
"""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

TIMEOUT_SECONDS = 5
MAX_RESPONSE_BYTES = 256 * 1024
# Clocks may differ by a minute.
CLOCK_SKEW_SECONDS = 60
HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "ES256": ("P-256", ec.SECP256R1()),
    "ES384": ("P-384", ec.SECP384R1()),
}
# All exceptions that reading a malformed document can raise.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OpenIdError(Exception):
    """The provider cannot be reached, or its response is invalid."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider, and the portal's client credentials there."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


def begin_sign_in(provider: Provider, redirect_uri: str, *, fresh: bool = False) -> tuple[str, dict[str, str]]:
    """Return the authorization URL, and the values (state, nonce, verifier) that ``finish_sign_in`` needs.

    ``fresh``: the provider must authenticate the user again, even within a session.
    """
    flow = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    challenge = hashlib.sha256(flow["verifier"].encode()).digest()
    query = {
        "response_type": "code",
        "scope": "openid email profile",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "state": flow["state"],
        "nonce": flow["nonce"],
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    if fresh:
        query |= {"prompt": "login", "max_age": "0"}
    endpoint = _endpoint(_metadata(provider), "authorization_endpoint", provider)
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}", flow


def finish_sign_in(provider: Provider, redirect_uri: str, flow: dict[str, str], code: str) -> dict[str, Any]:
    """Exchange the code and return the claims of the ID token; the email address can come from userinfo."""
    metadata = _metadata(provider)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": flow["verifier"],
    }
    methods = metadata.get("token_endpoint_auth_methods_supported")
    auth = None
    if not isinstance(methods, list) or "client_secret_basic" in methods:
        auth = (provider.client_id, provider.client_secret)
    else:
        form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
    response = _fetch_json("POST", _endpoint(metadata, "token_endpoint", provider), data=form, auth=auth)
    keys = _fetch_json("GET", _endpoint(metadata, "jwks_uri", provider))
    claims = read_id_token(str(response.get("id_token", "")), keys, provider, flow["nonce"])
    if "email" not in claims and "userinfo_endpoint" in metadata:
        bearer = {"Authorization": f"Bearer {response.get('access_token', '')}"}
        userinfo = _fetch_json("GET", _endpoint(metadata, "userinfo_endpoint", provider), headers=bearer)
        # Section 5.3.2: a response about another user must not be used.
        if userinfo.get("sub") == claims["sub"]:
            claims |= {name: userinfo[name] for name in ("email", "email_verified") if name in userinfo}
    if not (claims["sub"].isprintable() and str(claims.get("email", "")).isprintable()):
        raise OpenIdError("the subject or the address has characters that none has")
    return claims


def read_id_token(token: str, keys: dict[str, Any], provider: Provider, nonce: str) -> dict[str, Any]:
    """Validate an ID token (section 3.1.3.7) and return its claims, or raise OpenIdError."""
    try:
        head, body, signature = token.split(".")
        header = json.loads(_decode_base64url(head))
        claims: dict[str, Any] = json.loads(_decode_base64url(body))
        _check_signature(header, keys, f"{head}.{body}".encode(), _decode_base64url(signature))
        _check_claims(claims, provider, nonce)
    except OpenIdError:
        raise
    except (*MALFORMED, InvalidSignature) as error:
        raise OpenIdError(f"the ID token is not to be believed: {type(error).__name__}") from None
    return claims


def _check_claims(claims: dict[str, Any], provider: Provider, nonce: str) -> None:
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    now = time.time()
    checks = {
        "issuer": claims["iss"] == provider.issuer,
        "audience": provider.client_id in audience,
        "authorized party": claims.get("azp", provider.client_id) == provider.client_id
        and (len(audience) == 1 or "azp" in claims),
        "expiry": float(claims["exp"]) > now - CLOCK_SKEW_SECONDS,
        "time of issue": float(claims["iat"]) < now + CLOCK_SKEW_SECONDS,
        "nonce": secrets.compare_digest(str(claims["nonce"]).encode(), nonce.encode()),
        "subject": isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= 255,
    }
    failed = [name for name, is_met in checks.items() if not is_met]
    if failed:
        raise OpenIdError(f"the ID token has a wrong {failed[0]}")


def _check_signature(header: dict[str, Any], keys: dict[str, Any], signed: bytes, signature: bytes) -> None:
    algorithm = str(header["alg"])
    key_type = {"RS": "RSA", "PS": "RSA", "ES": "EC"}.get(algorithm[:2], "")
    candidates = [
        key
        for key in keys["keys"]
        if key.get("kty") == key_type and key.get("use", "sig") == "sig" and header.get("kid") in (None, key.get("kid"))
    ]
    if not key_type or not candidates:
        raise OpenIdError("the ID token is signed by no key of the provider")
    for key in candidates:
        try:
            _verify(key, algorithm, signed, signature)
        except InvalidSignature:
            continue
        return
    raise OpenIdError("the signature of the ID token is wrong")


def _verify(key: dict[str, Any], algorithm: str, signed: bytes, signature: bytes) -> None:
    hash_algorithm = HASHES[algorithm[2:]]
    if algorithm in CURVES:
        name, curve = CURVES[algorithm]
        if key["crv"] != name or len(signature) != 2 * ((curve.key_size + 7) // 8):
            raise InvalidSignature
        half = len(signature) // 2
        pair = encode_dss_signature(_to_integer(signature[:half]), _to_integer(signature[half:]))
        numbers = ec.EllipticCurvePublicNumbers(
            _to_integer(_decode_base64url(key["x"])), _to_integer(_decode_base64url(key["y"])), curve
        )
        numbers.public_key().verify(pair, signed, ec.ECDSA(hash_algorithm))
        return
    public = rsa.RSAPublicNumbers(
        _to_integer(_decode_base64url(key["e"])), _to_integer(_decode_base64url(key["n"]))
    ).public_key()
    if public.key_size < 2048:
        raise InvalidSignature
    pss = padding.PSS(mgf=padding.MGF1(hash_algorithm), salt_length=hash_algorithm.digest_size)
    public.verify(signature, signed, pss if algorithm.startswith("PS") else padding.PKCS1v15(), hash_algorithm)


def _metadata(provider: Provider) -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery 1.0 section 4), whose issuer must be OIDC_ISSUER."""
    found = _fetch_json("GET", provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise OpenIdError("the provider names another issuer than OIDC_ISSUER")
    return found


def _endpoint(metadata: dict[str, Any], name: str, provider: Provider) -> str:
    """Return a URL from the metadata, which must be https; http on loopback, where the issuer is http, too."""
    url = str(metadata.get(name, ""))
    try:
        parts, issuer = urlsplit(url), urlsplit(provider.issuer)
    except ValueError:
        raise OpenIdError(f"the provider's {name} is no address") from None
    is_local = issuer.scheme == "http" and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not is_local:
        raise OpenIdError(f"the provider's {name} is not https")
    return url


def _fetch_json(method: str, url: str, **options: Any) -> dict[str, Any]:
    try:
        with requests.request(
            method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True, **options
        ) as response:
            body = response.raw.read(MAX_RESPONSE_BYTES + 1, decode_content=True)
        found = json.loads(body) if response.status_code == 200 and len(body) <= MAX_RESPONSE_BYTES else None
    except (requests.RequestException, OSError, *MALFORMED) as error:
        raise OpenIdError(f"the provider cannot be reached: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise OpenIdError(f"the provider answered {response.status_code}")
    return found


def _decode_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _to_integer(data: bytes) -> int:
    return int.from_bytes(data, "big")
