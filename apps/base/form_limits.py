"""Limits of browser forms, by django-ratelimit: the one module that calls it.

Its counters sit in Django's cache. Where the cache fails, the form goes on: refusing everybody because Redis is away
would be worse, and the API's own limits do not depend on it.
"""

import logging

from django.utils.translation import gettext as _
from django_ratelimit.core import get_usage
from redis import RedisError

from apps.base.errors import RateLimited
from apps.base.requests import PortalRequest

logger = logging.getLogger(__name__)


def check(request: PortalRequest, group: str, rate: str, *, per: str = "") -> None:
    """This will count the request and raise RateLimited over the rate (``10/m``), per person or address.

    ``per`` counts for something else instead, such as the organization's id.
    """
    try:
        key = (lambda group, request: per) if per else _key
        usage = get_usage(request, group=f"portal:{group}", key=key, rate=rate, increment=True)
    except (RedisError, OSError) as error:
        logger.warning("the limit of the form %s could not be kept: %s", group, type(error).__name__)
        return
    if usage and usage["should_limit"]:
        wait = max(1, int(usage["time_left"]))
        raise RateLimited(_("Too many tries. Try again in %(count)d seconds.") % {"count": wait}, wait)


def _key(group: str, request: PortalRequest) -> str:
    return str(request.user.pk) if request.user.is_authenticated else request.client_address
