"""``/v1/trivial`` and ``/v1/users`` of the rival that BENCH_RIVAL names."""

import os
import time

from django.contrib.auth.models import User
from django.urls import path
from rest_framework import serializers
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from benchmarks.rivals.models import LogRow
from benchmarks.rivals.settings import HAS_API_KEY, HAS_KNOX

if HAS_API_KEY:
    from rest_framework_api_key.permissions import HasAPIKey
if HAS_KNOX:
    from knox.auth import TokenAuthentication as KnoxAuthentication

RIVAL = os.environ.get("BENCH_RIVAL", "bare")
TRIVIAL = {"status": "ok", "count": 20}


class PerMinute(UserRateThrottle):
    """The first of two windows."""

    scope, rate = "minute", "100000000/min"


class PerHour(UserRateThrottle):
    """The second."""

    scope, rate = "hour", "1000000000/hour"


class Bare(APIView):
    """No authentication, everything else as it is shipped."""

    authentication_classes: list = []
    permission_classes: list = []


class Token(Bare):
    """DRF's own tokens."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class Usual(Token):
    """Tokens, two throttles, and a row of the log for each call."""

    throttle_classes = [PerMinute, PerHour]

    def dispatch(self, request, *args, **kwargs):
        """Answer and write the row."""
        started = time.perf_counter()
        response = super().dispatch(request, *args, **kwargs)
        LogRow.objects.create(
            user_id=self.request.user.pk,
            method=request.method,
            path=request.path[:200],
            status=response.status_code,
            duration_ms=(time.perf_counter() - started) * 1000,
            address=request.META["REMOTE_ADDR"],
            user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        )
        return response


DOORS = {"bare": Bare, "token": Token, "usual": Usual}
if HAS_API_KEY:
    DOORS["api_key"] = type("ApiKeyDoor", (Bare,), {"permission_classes": [HasAPIKey]})
if HAS_KNOX:
    DOORS["knox"] = type("KnoxDoor", (Token,), {"authentication_classes": [KnoxAuthentication]})
Door: type[APIView] = DOORS[RIVAL]


class UserSerializer(serializers.ModelSerializer):
    """What a list shows of a user."""

    class Meta:
        model = User
        fields = ["id", "first_name", "email", "date_joined"]


class Trivial(Door):
    """The view that does nothing."""

    def get(self, request):
        """Answer."""
        return Response(TRIVIAL)


class Users(Door):
    """The list of twenty."""

    def get(self, request):
        """List users, oldest first."""
        return Response(UserSerializer(User.objects.order_by("pk")[:50], many=True).data)


urlpatterns = [path("v1/trivial", Trivial.as_view()), path("v1/users", Users.as_view())]
