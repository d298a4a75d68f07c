"""``send_test_mail`` says that mail leaves, or in one sentence what to change."""

import json
import smtplib
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from integrations_portal.management.commands import send_test_mail
from tests.servers import free_port

SMTP = "apps.orgs.mail.backends.EmailBackend"


@contextmanager
def mail_server(*answers):
    """A server that greets, then answers each line with the next of the answers; then it goes on saying the last."""
    listener = socket.create_server(("127.0.0.1", 0))
    lines = []

    def serve():
        try:
            peer, _address = listener.accept()
        except OSError:
            return
        peer.settimeout(0.7)
        with suppress(OSError), peer, peer.makefile("rwb") as stream:
            remaining = list(answers)
            while True:
                stream.write((remaining.pop(0) if len(remaining) > 1 else remaining[0]).encode() + b"\r\n")
                stream.flush()
                line = stream.readline()
                lines.append(line)
                if not line:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], lines
    finally:
        listener.close()
        thread.join(5)


@pytest.fixture
def smtp(settings):
    """Points the settings at a port of this machine."""

    def use(port, **values):
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", port
        settings.EMAIL_TIMEOUT = 0.5
        for name, value in values.items():
            setattr(settings, name, value)

    return use


def refusal(to="ada@acme.example"):
    with pytest.raises(CommandError) as refused:
        call_command("send_test_mail", "--to", to)
    text = str(refused.value)
    assert "\n" not in text and "Traceback" not in text
    return text


def test_it_sends_one_mail(capsys, settings):
    call_command("send_test_mail", "--to", "ada@acme.example", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["to"] == "ada@acme.example" and said["sent"] == "kept in this process"
    [sent] = mail.outbox
    assert (sent.to, sent.from_email) == (["ada@acme.example"], settings.DEFAULT_FROM_EMAIL)
    assert settings.PUBLIC_URL in sent.body


def test_a_server_takes_it(smtp, capsys):
    with mail_server("220 hi", "250 ok", "250 ok", "250 ok", "354 go", *["250 ok"] * 20) as (port, lines):
        smtp(port)
        call_command("send_test_mail", "--to", "ada@acme.example")
    assert b"rcpt to:<ada@acme.example>\r\n" in [line.lower() for line in lines]
    assert f"sent: 127.0.0.1:{port}" in capsys.readouterr().out


def test_nobody_listens(smtp):
    port = free_port()
    smtp(port)
    assert refusal() == f"Nothing listens at 127.0.0.1:{port}: correct host and port in EMAIL_URL, or start the server."


def test_it_does_not_wait_for_ever(smtp):
    listener = socket.create_server(("127.0.0.1", 0))
    smtp(listener.getsockname()[1])
    assert "did not answer in time" in refusal()
    listener.close()


def test_a_server_that_drips_is_given_up_too(smtp, monkeypatch):
    monkeypatch.setattr(send_test_mail, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(send_test_mail.EmailMessage, "send", lambda _self: threading.Event().wait(3))
    assert "did not answer in time" in refusal()


@pytest.mark.parametrize(
    ("answers", "values", "says"),
    [
        (["220 hi", "250 ok", "550 5.7.1 not you"], {}, "refused the sender"),
        (["220 hi", "250 ok", "250 ok", "550 5.1.1 no such user"], {}, "refused the recipient ada@acme.example"),
        (["220 hi", "250-hi\r\n250 AUTH PLAIN", "535 5.7.8 bad"],
         {"EMAIL_HOST_USER": "u", "EMAIL_HOST_PASSWORD": "canary-p"}, "refused the name or password"),
        (["220 hi", "250 ok"], {"EMAIL_USE_TLS": True}, "does not offer what EMAIL_URL asks for"),
        (["220 hi", "250 ok"], {"EMAIL_HOST_USER": "u", "EMAIL_HOST_PASSWORD": "canary-p"}, "does not offer"),
        (["220 hi", "250 ok", "250 ok", "250 ok", "354 go", "554 spam"], {}, "refused the mail itself"),
        (["220 hi"], {"EMAIL_USE_SSL": True}, "smtp+ssl:// for port 465"),
    ],
)  # fmt: skip
def test_each_failure_has_its_sentence(smtp, answers, values, says):
    with mail_server(*answers) as (port, _lines):
        smtp(port, **values)
        text = refusal()
    assert says in text and "canary-p" not in text


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (socket.gaierror(-2, "Name or service not known"), "There is no host 127.0.0.1"),
        (ssl.SSLCertVerificationError("self-signed"), "certificate of 127.0.0.1:25"),
        (smtplib.SMTPServerDisconnected("x"), "closed the connection"),
        (OSError(101, "Network is unreachable"), "cannot be reached"),
        (ValueError("Header values can't contain newlines"), "DEFAULT_FROM_EMAIL"),
        (KeyError("x"), "was not sent (KeyError)"),
    ],
)
def test_what_is_rarer_has_one_as_well(settings, problem, says):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 25
    assert says in send_test_mail.advice_for(problem, "a@b.example")


@pytest.mark.parametrize("to", ["", "nobody", "a@b", "a@b.example\nBcc: x@y.example", "a@b.example, c@d.example"])
def test_what_is_no_address_is_refused(to):
    refusal(to)
    assert not mail.outbox
