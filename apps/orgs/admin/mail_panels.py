"""Mail in the operators' admin: delivery state, the mail server's response, and mail by address."""

from collections.abc import Sequence

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from apps.audit.operator_admin import Panel, SummaryLine, changelist_url, local_time_text, table
from apps.orgs.mail.jobs import MAX_ATTEMPTS
from apps.orgs.models import Invitation, OutgoingMail
from apps.orgs.models.mail import MEMBERSHIP_OFFER

MAX_SHOWN = 10
MAIL_COLUMNS = ("created_at", "title", "state", "sent_at", "server_response")
# Mails with a token link are rendered when they are sent, so their rows have no subject.
LINK_PURPOSES: dict[str, Promise] = {
    "password_reset": gettext_lazy("Link to set a password"),
    "confirm_address": gettext_lazy("Link to confirm an address"),
    "first_sign_in": gettext_lazy("Link for the first sign-in"),
    "invitation": gettext_lazy("Invitation"),
    MEMBERSHIP_OFFER: gettext_lazy("Invitation to a member with an account"),
}


class MailState(TextChoices):
    """Delivery state of a mail."""

    SENT = "sent", pgettext_lazy("mail", "Sent")
    WAITING = "waiting", pgettext_lazy("mail", "Waiting")
    FAILED = "failed", pgettext_lazy("mail", "Failed permanently")

    def __str__(self) -> str:
        """Return the translated label, which lists show."""
        return str(self.label)


def state_of(mail: OutgoingMail) -> MailState:
    """Return the delivery state of a mail."""
    if mail.sent_at:
        return MailState.SENT
    return MailState.WAITING if mail.next_attempt_at else MailState.FAILED


def mail_title(mail: OutgoingMail) -> str:
    """Return the subject of a mail, or the purpose of its link; never the link."""
    return mail.subject or str(LINK_PURPOSES.get(mail.template, mail.template))


def describe_delivery(mail: OutgoingMail) -> Sequence[SummaryLine]:
    """Return the lines that explain the delivery state of a mail."""
    params = {
        "at": local_time_text(mail.sent_at),
        "next": local_time_text(mail.next_attempt_at),
        "answer": mail.server_answer or "–",
        "error": mail.last_error or "–",
        "n": mail.attempts,
        "most": MAX_ATTEMPTS,
    }
    state = state_of(mail)
    if state == MailState.SENT:
        return [
            SummaryLine("ok", _("The mail server accepted it on %(at)s. Its response: %(answer)s") % params),
            SummaryLine(
                "info", _("What happened to it afterward is in the mail server's log. Check the spam folder, too.")
            ),
        ]
    if state == MailState.FAILED:
        return [SummaryLine("bad", _("Failed permanently after %(n)s attempts. Last error: %(error)s") % params)]
    if mail.attempts:
        text = _("Not sent yet. Attempt %(n)s of %(most)s failed: %(error)s. Next attempt on %(next)s.")
        return [SummaryLine("warn", text % params)]
    return [SummaryLine("info", _("Waiting for a worker, due on %(next)s.") % params)]


def mails_to(address: str, exclude: OutgoingMail | None = None) -> Panel:
    """Return the newest mails to an address."""
    rows = OutgoingMail.objects.filter(to=address).order_by("-pk").defer("body")
    if exclude is not None:
        rows = rows.exclude(pk=exclude.pk)
    return table(
        _("Other mails to this address") if exclude is not None else _("Mails to this address"),
        rows[:MAX_SHOWN],
        MAIL_COLUMNS,
        empty=_("None is kept."),
        more_url=changelist_url(OutgoingMail, address),
    )


def invitations_to(address: str) -> Panel:
    """Return the newest invitations of an address."""
    rows = Invitation.objects.filter(email=address).select_related("organization").order_by("-pk")[:MAX_SHOWN]
    return table(_("Invitations"), rows, ("created_at", "organization", "role", "status", "expires_at"))
