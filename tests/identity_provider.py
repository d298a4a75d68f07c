"""An OpenID provider on this machine: signs what a test tells it to say."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def encoded(data):
    """base64url without padding, of bytes or of JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class IdentityProvider:
    """Serves discovery, keys, tokens and userinfo; ``claims`` is what the next ID token says beside the usual."""

    def __init__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.answer(self, {})

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                provider.answer(self, parse_qs(self.rfile.read(length).decode()))

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.claims, self.metadata, self.userinfo, self.asked = {}, {}, {}, []
        self.sign, self.kid = self.sign_rs256, "rsa"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def visit(self, url):
        """What the browser of somebody who signs in there brings back: state and code."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.query = query
        return {"state": query["state"], "code": "the-code"}

    def answer(self, handler, form):
        self.asked.append((handler.path, form, dict(handler.headers)))
        pages = {
            "/.well-known/openid-configuration": self.describe,
            "/keys": self.keys,
            "/token": lambda: self.token(form),
            "/userinfo": lambda: self.userinfo,
        }
        body = json.dumps(pages[handler.path]()).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def describe(self):
        endpoints = {f"{name}": f"{self.issuer}/{path}" for name, path in ENDPOINTS.items()}
        return {"issuer": self.issuer, **endpoints, **self.metadata}

    def keys(self):
        rsa_numbers, ec_numbers = RSA_KEY.public_key().public_numbers(), EC_KEY.public_key().public_numbers()
        return {
            "keys": [
                {"kty": "RSA", "kid": "rsa", "use": "sig", "n": number(rsa_numbers.n), "e": number(rsa_numbers.e)},
                {"kty": "EC", "kid": "ec", "crv": "P-256", "x": number(ec_numbers.x), "y": number(ec_numbers.y)},
            ]
        }

    def token(self, form):
        challenge = encoded(hashlib.sha256(form["code_verifier"][0].encode()).digest())
        assert challenge == self.query["code_challenge"] and form["code"] == ["the-code"]
        now = int(time.time())
        usual = {
            "iss": self.issuer, "aud": "portal", "sub": "subject-1", "exp": now + 300, "iat": now,
            "nonce": self.query["nonce"], "email": "ada@acme.example", "email_verified": True, "auth_time": now,
        }  # fmt: skip
        claims = {name: value for name, value in {**usual, **self.claims}.items() if value is not None}
        return {"access_token": "access", "token_type": "Bearer", "id_token": self.sign(claims)}

    def _signed(self, header, claims, signer):
        text = f"{encoded({'kid': self.kid, **header})}.{encoded(claims)}"
        return f"{text}.{encoded(signer(text.encode()))}"

    def sign_rs256(self, claims):
        return self._signed({"alg": "RS256"}, claims, lambda t: RSA_KEY.sign(t, padding.PKCS1v15(), hashes.SHA256()))

    def sign_es256(self, claims):
        def signer(text):
            r, s = decode_dss_signature(EC_KEY.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        self.kid = "ec"
        return self._signed({"alg": "ES256"}, claims, signer)


ENDPOINTS = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "jwks_uri": "keys",
    "userinfo_endpoint": "userinfo",
}
