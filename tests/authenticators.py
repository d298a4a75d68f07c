"""Second factors in software: an authenticator app, recovery codes and a passkey."""

import hashlib
import json
import os
import re
import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.utils import websafe_encode

from apps.base.web import second_step

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ORIGIN = "http://127.0.0.1:8000"


def code_now(secret=SECRET, steps=0):
    """The code that an app shows now, or so many steps from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def give_app(user, secret=SECRET):
    """An account whose authenticator app is set up."""
    return Authenticator.objects.create(user=user, type="totp", data={"secret": secret})


def give_recovery_codes(user):
    """Ten codes; what is returned is on the person's paper."""
    codes, data = second_step.new_recovery_codes()
    Authenticator.objects.create(user=user, type="recovery_codes", data=data)
    return codes


class Passkey:
    """An ES256 key that answers as a browser has it answer (Web Authentication sections 6 and 7)."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.user_handle = b""

    def _client_data(self, kind, challenge, origin):
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()

    def _authenticator_data(self, rp_id, flags, rest=b""):
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + (7).to_bytes(4, "big") + rest

    def register(self, options, origin=ORIGIN):
        """The answer to creation options."""
        asked = options["publicKey"]
        self.user_handle = asked["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor.encode(cose)
        data = self._authenticator_data(asked["rp"]["id"], 0x45, credential)
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", asked["challenge"], origin)
        return self._answer(
            {"clientDataJSON": websafe_encode(client_data), "attestationObject": websafe_encode(attestation)},
            {"credProps": {"rk": True}},
        )

    def sign(self, options, origin=ORIGIN):
        """The answer to request options."""
        asked = options["publicKey"]
        client_data = self._client_data("webauthn.get", asked["challenge"], origin)
        data = self._authenticator_data(asked["rpId"], 0x05)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": websafe_encode(client_data),
                "authenticatorData": websafe_encode(data),
                "signature": websafe_encode(signature),
                "userHandle": self.user_handle,
            },
            {},
        )

    def _answer(self, response, extensions):
        name = websafe_encode(self.id)
        return json.dumps(
            {
                "id": name,
                "rawId": name,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": extensions,
            }
        )


def asked_of(page, name):
    """The options that a page hands to its script: ``creation_options`` or ``request_options``."""
    found = re.search(r'<script id="js_data" type="application/json">(.*?)</script>', page.content.decode())
    return json.loads(found[1])[name]
