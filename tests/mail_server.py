"""A mail server with STARTTLS and a password, which puts what it takes into a file.

`python -m tests.mail_server PORT CERTIFICATE.pem FILE`
"""

import base64
import socketserver
import ssl
import sys
from pathlib import Path

PASSWORD = base64.b64encode(b"\0user\0password").decode()


class Session(socketserver.StreamRequestHandler):
    """One client, which must turn TLS on and give the password before it gets rid of a mail."""

    def handle(self) -> None:
        self.is_secure = self.is_known = False
        self.say("220 mail.example.com")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                return self.say("221 bye")
            getattr(self, f"on_{verb.lower()}", lambda _line: self.say("250 ok"))(line)

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def on_ehlo(self, _line: str) -> None:
        self.say("250-mail.example.com\r\n250 AUTH PLAIN" if self.is_secure else "250-mail.example.com\r\n250 STARTTLS")

    def on_starttls(self, _line: str) -> None:
        self.say("220 go on")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.is_secure = True

    def on_auth(self, line: str) -> None:
        self.is_known = self.is_secure and line.split()[1:] == ["PLAIN", PASSWORD]
        self.say("235 welcome" if self.is_known else "535 wrong")

    def on_data(self, _line: str) -> None:
        if not self.is_known:
            return self.say("530 who are you?")
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        with Path(self.server.file).open("ab") as file:
            file.write(b"".join(lines))
        self.say("250 taken")


def serve(port: str, certificate: str, file: str) -> None:
    """Serve until it is killed."""
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(port)), Session) as server:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(certificate)
        server.file = file
        server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
