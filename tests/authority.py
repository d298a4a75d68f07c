"""A certificate authority of a test's own: a root, an intermediate, and whatever a server can do wrong with them."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


class Authority:
    """Issues through an intermediate; ``ca_file`` holds the root that clients trust."""

    def __init__(self, folder: Path, name: str = "Test") -> None:
        self.folder, self.name = folder, name
        self._root_key, self._key, self._leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.root = self._issue(f"{name} root", f"{name} root", self._root_key, self._root_key)
        self.intermediate = self._issue(f"{name} intermediate", f"{name} root", self._key, self._root_key)
        self.ca_file = folder / f"{name}-root.pem"
        self.ca_file.write_bytes(_pem(self.root))

    def leaf(self, host: x509.GeneralName = LOOPBACK, *, start: int = -30, end: int = 10) -> x509.Certificate:
        """A certificate for ``host``, valid from and to so many days from now."""
        return self._issue("Server", f"{self.name} intermediate", self._leaf_key, self._key, host, start, end)

    def self_signed(self) -> x509.Certificate:
        """A certificate that nobody but its own key vouches for."""
        return self._issue("Server", "Server", self._leaf_key, self._leaf_key, LOOPBACK)

    def context(self, *chain: x509.Certificate) -> ssl.SSLContext:
        """A server that sends this chain, the leaf in front."""
        key = self._leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self.folder / f"{self.name}-{id(chain)}.pem"
        file.write_bytes(_pem(*chain) + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _issue(
        self,
        subject: str,
        issuer: str,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        host: x509.GeneralName | None = None,
        start: int = -30,
        end: int = 10,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now + datetime.timedelta(days=start),
            not_valid_after=now + datetime.timedelta(days=end),
        ).add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        return builder.sign(signer, hashes.SHA256())


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
