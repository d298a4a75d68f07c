"""Send a test mail, and say what to change if that fails."""

import smtplib
import socket
import ssl
import threading
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.management.base import CommandError, CommandParser
from django.core.validators import validate_email

from apps.base.commands import PortalCommand
from apps.base.text.email_validation import ascii_email
from apps.orgs.mail.backends import MailIsNotSet

# EMAIL_TIMEOUT limits each read; this limits the whole exchange with a server that answers byte by byte.
TIMEOUT_SECONDS = 30
LOCAL_BACKENDS = {"console": "printed here, sent to nobody", "dummy": "thrown away", "locmem": "kept in this process",
           "filebased": "written into a file, sent to nobody"}  # fmt: skip
BODY = """This is the test that somebody asked for by "manage.py send_test_mail" on {url}.
Mail of the portal reaches you. There is nothing to do.
"""


class Command(PortalCommand):
    help = (
        "Sends one short mail to an address, by EMAIL_URL and from DEFAULT_FROM_EMAIL, at once and not through the "
        "queue. Exit code 0: the server took it. 1: one sentence says what to change. Gives up after 30 seconds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the recipient's address."""
        super().add_arguments(parser)
        parser.add_argument("--to", required=True, metavar="E", help="who gets the mail")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Send the mail; raise CommandError with what to change if it fails."""
        validate_email(options["to"])
        problem = send(options["to"])
        if problem is not None:
            raise CommandError(advice_for(problem, options["to"]))
        backend = settings.EMAIL_BACKEND.split(".")[-2]
        return {"to": options["to"], "from": settings.DEFAULT_FROM_EMAIL, "sent": LOCAL_BACKENDS.get(backend, server())}


def server() -> str:
    """Return host and port of the mail server."""
    return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"


def send(to: str) -> Exception | None:
    """Send the mail and return the exception, or None; TimeoutError after ``TIMEOUT_SECONDS``."""
    text = BODY.format(url=settings.PUBLIC_URL)
    message = EmailMessage("Test mail of the integrations portal", text, to=[ascii_email(to)])
    problems: list[Exception] = []

    def work() -> None:
        try:
            message.send()
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    if thread.is_alive():
        return TimeoutError()
    return problems[0] if problems else None


def advice_for(problem: Exception, to: str) -> str:
    """Return a sentence about what is wrong and what to do: the first of ``SENTENCES`` that applies."""
    if isinstance(problem, smtplib.SMTPServerDisconnected) and "timed out" in str(problem):
        problem = TimeoutError()  # smtplib replaces it by SMTPServerDisconnected
    for kinds, sentence in SENTENCES:
        if isinstance(problem, kinds):
            words = {"server": server(), "host": settings.EMAIL_HOST, "to": to, "sender": settings.DEFAULT_FROM_EMAIL}
            return sentence.format(**words) + server_reply(problem)
    return f"The mail was not sent ({type(problem).__name__}): check EMAIL_URL and DEFAULT_FROM_EMAIL." + server_reply(
        problem
    )


def server_reply(problem: Exception) -> str:
    """Return the server's own message on one line; it never contains the credentials."""
    text: Any = getattr(problem, "smtp_error", "")
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        text = next(iter(problem.recipients.values()))[1]
    words = " ".join((text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).split())
    return f" It said: {words[:200]}" if words else ""


SENTENCES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((MailIsNotSet,), "EMAIL_URL is not set: name your mail server in it."),
    (
        (smtplib.SMTPAuthenticationError,),
        "{server} refused the name or password: correct them in EMAIL_URL (special characters as %xx).",
    ),
    (
        (smtplib.SMTPSenderRefused,),
        "{server} refused the sender {sender}: set DEFAULT_FROM_EMAIL to an address that it may send for.",
    ),
    (
        (smtplib.SMTPRecipientsRefused,),
        "{server} refused the recipient {to}: check the address, and whether the server may send outside.",
    ),
    (
        (smtplib.SMTPNotSupportedError,),
        "{server} does not offer what EMAIL_URL asks for: use smtp+tls:// only where it offers STARTTLS, "
        "and a name and password only where it takes them.",
    ),
    (
        (smtplib.SMTPServerDisconnected,),
        "{server} closed the connection: use smtp+ssl:// for a port that speaks TLS at once (465), "
        "smtp+tls:// for one that begins in the clear (587).",
    ),
    ((smtplib.SMTPDataError,), "{server} refused the mail itself: ask whoever runs it."),
    ((smtplib.SMTPException,), "{server} did not take the mail: ask whoever runs it."),
    (
        (ssl.SSLCertVerificationError,),
        "The certificate of {server} is not good for it: use the name that stands in it, or have it renewed.",
    ),
    (
        (ssl.SSLError,),
        "{server} does not speak TLS so: use smtp+ssl:// for port 465, smtp+tls:// for port 587.",
    ),
    ((socket.gaierror,), "There is no host {host}: correct EMAIL_URL."),
    (
        (ConnectionRefusedError,),
        "Nothing listens at {server}: correct host and port in EMAIL_URL, or start the server.",
    ),
    (
        (TimeoutError,),
        "{server} did not answer in time: check host and port in EMAIL_URL, and whether a firewall is between.",
    ),
    ((OSError,), "{server} cannot be reached: check host and port in EMAIL_URL, and the network."),
    ((ValueError,), "The mail cannot be written: check DEFAULT_FROM_EMAIL, now {sender}."),
)
