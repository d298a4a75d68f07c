"""URLs and views of the rival that BENCH_RIVAL selects."""

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
    """The first of two rate limits."""

    scope, rate = "minute", "100000000/min"


class PerHour(UserRateThrottle):
    """The second rate limit."""

    scope, rate = "hour", "1000000000/hour"


class Bare(APIView):
    """A view without authentication."""

    authentication_classes: list = []
    permission_classes: list = []


class Token(Bare):
    """A view with DRF's tokens."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class Usual(Token):
    """A view with tokens, two throttles, and a log row for each request."""

    throttle_classes = [PerMinute, PerHour]

    def dispatch(self, request, *args, **kwargs):
        """Respond and store the log row."""
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


COMPARED_VIEWS = {"bare": Bare, "token": Token, "usual": Usual}
if HAS_API_KEY:
    COMPARED_VIEWS["api_key"] = type("ApiKey", (Bare,), {"permission_classes": [HasAPIKey]})
if HAS_KNOX:
    COMPARED_VIEWS["knox"] = type("Knox", (Token,), {"authentication_classes": [KnoxAuthentication]})
ComparedView: type[APIView] = COMPARED_VIEWS[RIVAL]


class UserSerializer(serializers.ModelSerializer):
    """The fields of a user in the list."""

    class Meta:
        model = User
        fields = ["id", "first_name", "email", "date_joined"]


class Trivial(ComparedView):
    """A view that does nothing."""

    def get(self, request):
        return Response(TRIVIAL)


class Users(ComparedView):
    """The list of twenty users."""

    def get(self, request):
        return Response(UserSerializer(User.objects.order_by("pk")[:50], many=True).data)


urlpatterns = [path("v1/trivial", Trivial.as_view()), path("v1/users", Users.as_view())]
