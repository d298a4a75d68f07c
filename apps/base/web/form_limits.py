"""Rate limits of browser forms, by django-ratelimit: the only module that uses it.

Requests to ``/v1`` have their own limiter (``credentials/gate/rate_limits.py``), which checks several windows at once
and counts exactly.

The counters are in Django's cache (``base/web/cache.py``): in Redis, or in each process while Redis is unavailable.
Where another cache fails, forms are not limited: refusing all of them would be worse.
"""

import logging
from typing import Any

from django.utils.translation import gettext as _
from django_ratelimit.core import get_usage
from redis import RedisError

from apps.base.errors import RateLimited
from apps.base.requests import PortalRequest
from apps.base.web.client_address import rate_limit_address

logger = logging.getLogger(__name__)


def check(request: PortalRequest, group: str, rate: str, *, per: str = "") -> None:
    """Count the request and raise RateLimited over the rate (``10/m``), per user or address.

    ``per``: count by another value instead, such as the organization's id.
    """
    usage = _usage(request, group, rate, per, increment=True)
    if usage and usage["should_limit"]:
        raise _refusal(usage)


def check_all(request: PortalRequest, *limits: tuple[str, str, str]) -> None:
    """Count the request under several limits (group, rate, per), or under none where one is reached."""
    for group, rate, per in limits:
        check_without_counting(request, group, rate, per=per)
    for group, rate, per in limits:
        check(request, group, rate, per=per)


def count(request: PortalRequest, group: str, rate: str, *, per: str) -> int:
    """Count the request and return the count in the rate's window; 0 where the cache is unavailable."""
    usage = _usage(request, group, rate, per, increment=True)
    return usage["count"] if usage else 0


def check_without_counting(request: PortalRequest, group: str, rate: str, *, per: str = "") -> None:
    """Raise RateLimited where as many were counted as the rate allows; count nothing."""
    usage = _usage(request, group, rate, per, increment=False)
    if usage and usage["count"] >= usage["limit"]:
        raise _refusal(usage)


def count_failure(request: PortalRequest, group: str, rate: str, *, per: str = "") -> None:
    """Count one failure under the same group, rate and ``per`` as ``check_without_counting``."""
    _usage(request, group, rate, per, increment=True)


def _usage(request: PortalRequest, group: str, rate: str, per: str, *, increment: bool) -> dict[str, Any] | None:
    try:
        key = (lambda group, request: per) if per else _key
        options = {"group": f"portal:{group}", "key": key, "rate": rate, "increment": increment}
        usage: dict[str, Any] | None = get_usage(request, **options)
        # The limit is missing where the counter vanished between two steps, e.g. when Redis failed: try once more.
        if usage is not None and not usage["limit"]:
            usage = get_usage(request, **options)
        return usage
    except (RedisError, OSError) as error:
        logger.warning("the limit of the form %s could not be kept: %s", group, type(error).__name__)
        return None


def _refusal(usage: dict[str, Any]) -> RateLimited:
    wait = max(1, int(usage["time_left"]))
    return RateLimited(_("Too many tries. Try again in %(count)d seconds.") % {"count": wait}, wait)


def _key(group: str, request: PortalRequest) -> str:
    return str(request.user.pk) if request.user.is_authenticated else rate_limit_address(request.client_address)
