"""Template tags and filters for times, numbers, status badges and highlighted code. None queries the database."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from django import template
from django.utils import formats, timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext

from apps.base.timestamps import format_date_for_reader
from apps.base.web.client_address import format_address

register = template.Library()

# Status → (CSS class of components/badge.html, label).
STATUSES = {
    "active": ("ok", _("Active")),
    "enabled": ("ok", _("Active")),
    "succeeded": ("ok", _("Delivered")),
    "done": ("ok", _("Done")),
    "success": ("ok", _("Success")),
    "accepted": ("ok", _("Accepted")),
    "retrying": ("warn", _("Retrying")),
    "done_with_failures": ("warn", _("Done, some failed")),
    "held": ("warn", _("Held")),
    "suspended": ("bad", _("Suspended")),
    "expired": ("bad", _("Expired")),
    "failing": ("bad", _("Failing")),
    "exhausted": ("bad", _("Failed")),
    "failed": ("bad", _("Failed")),
    "failure": ("bad", _("Failed")),
    "denied": ("bad", _("Denied")),
    "pending": ("info", _("Waiting")),
    "sending": ("info", _("Sending")),
    "running": ("info", _("Running")),
    "estimating": ("info", _("Estimating")),
    "sent": ("info", _("Sent")),
    "paused": ("off", _("Paused")),
    "disabled": ("off", _("Disabled")),
    "revoked": ("off", _("Revoked")),
    "dropped": ("off", _("Dropped")),
    "cancelled": ("off", _("Stopped")),
    "unused": ("", _("Unused")),
    "never_used": ("", _("Never used")),
}

RELATIVE_FOR_DAYS = 7

TOKEN = re.compile(
    r"""(?P<key>"(?:[^"\\\n]|\\.)*"(?=\s*:)|^[\w-]+:(?=\s|$))"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*")"""
    r"""|(?P<number>(?<![\w.-])-?\d+(?:\.\d+)?(?![\w.-])|\b(?:true|false|null)\b)""",
    re.MULTILINE,
)
TOKEN_CLASS = {"key": "k", "text": "s", "number": "n"}


@register.inclusion_tag("components/badge.html")
def status_badge(state: str, label: str = "") -> dict[str, object]:
    """Return the context of a badge for a status of the API; ``label`` replaces the usual label."""
    tone, word = STATUSES.get(state, ("", state))
    return {"tone": tone, "label": label or word}


register.filter("address", format_address)


@register.filter
def tone(state: str) -> str:
    """Return the CSS class of a status, for timelines and rows."""
    return STATUSES.get(state, ("", ""))[0]


@register.filter
def status_label(state: str) -> str:
    """Return the translated label of a status."""
    return str(STATUSES.get(state, ("", state))[1])


@register.filter
def number(value: int | float | None) -> str:
    """Return a number with the digit grouping of the active language; a dash for None."""
    if value is None:
        return "–"
    return str(formats.number_format(value, use_l10n=True, force_grouping=True))


@register.filter(expects_localtime=False)
def when(value: datetime | None, style: str = "relative") -> SafeString:
    """Return a ``<time>`` element in the reader's time zone, whose title is the exact UTC time.

    Styles: ``relative`` ("3 minutes ago" for a week either way, then the date), ``date``,
    ``short`` (date and minute), ``exact`` (to the second, with the zone's name), ``clock`` (the time alone).
    """
    if value is None:
        return mark_safe("–")
    utc = value.astimezone(UTC)
    seconds = (utc - timezone.now()).total_seconds()
    relative = style == "relative" and abs(seconds) < RELATIVE_FOR_DAYS * 86400
    text = _relative_time(seconds) if relative else format_date_for_reader(timezone.localtime(value), style)
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z"),
        format_date_for_reader(utc, "exact"),
        mark_safe(" data-relative") if relative else "",
        text,
    )


def _relative_time(seconds: float) -> str:
    for size, past, ahead in (
        (86400, _days_ago, _in_days),
        (3600, _hours_ago, _in_hours),
        (60, _minutes_ago, _in_minutes),
    ):
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            return (past if seconds < 0 else ahead)(count)
    return pgettext("relative time", "now")


def _days_ago(n: int) -> str:
    return ngettext("%(n)d day ago", "%(n)d days ago", n) % {"n": n}


def _in_days(n: int) -> str:
    return ngettext("in %(n)d day", "in %(n)d days", n) % {"n": n}


def _hours_ago(n: int) -> str:
    return ngettext("%(n)d hour ago", "%(n)d hours ago", n) % {"n": n}


def _in_hours(n: int) -> str:
    return ngettext("in %(n)d hour", "in %(n)d hours", n) % {"n": n}


def _minutes_ago(n: int) -> str:
    return ngettext("%(n)d minute ago", "%(n)d minutes ago", n) % {"n": n}


def _in_minutes(n: int) -> str:
    return ngettext("in %(n)d minute", "in %(n)d minutes", n) % {"n": n}


@register.filter
def highlight(source: str) -> SafeString:
    """Return JSON or header lines as escaped text, with keys, strings and numbers in spans."""
    return highlight_code(source)


def highlight_code(source: str, link_of: Callable[[str], str] | None = None) -> SafeString:
    """Highlight the source, and link each string for which ``link_of`` returns a URL."""
    source = str(source or "")
    parts: list[str] = []
    end = 0
    for match in TOKEN.finditer(source):
        parts += [escape(source[end : match.start()])]
        parts += [_highlight_token(match.lastgroup or "text", match.group(), link_of)]
        end = match.end()
    return mark_safe("".join([*parts, escape(source[end:])]))  # noqa: S308


def _highlight_token(kind: str, text: str, link_of: Callable[[str], str] | None) -> str:
    url = link_of(text[1:-1]) if link_of is not None and kind == "text" else ""
    shown = f'<a href="{escape(url)}">{escape(text)}</a>' if url else escape(text)
    return f'<span class="{TOKEN_CLASS[kind]}">{shown}</span>'


@register.filter
def inline_code(text: str) -> SafeString:
    """Return a text of the API as markup, with what stands in backticks as code."""
    parts = enumerate(str(text).split("`"))
    return mark_safe("".join(f"<code>{escape(part)}</code>" if number % 2 else escape(part) for number, part in parts))  # noqa: S308


@register.filter
def inline_svg(markup: str) -> SafeString:
    """Return an SVG document that the portal generated (a QR code) as markup, without its XML prolog."""
    return mark_safe(str(markup)[max(str(markup).find("<svg"), 0) :])  # noqa: S308


@register.filter
def initial(name: str) -> str:
    """Return the first letter or digit of a name in upper case, for its avatar."""
    return next((letter for letter in str(name) if letter.isalnum()), "·").upper()
