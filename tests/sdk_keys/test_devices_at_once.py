"""A hundred devices at once on a limit of ten: ten are active, ninety are told why, the counter is the rows."""

from collections import Counter

import pytest

from apps.base.actor import system
from apps.sdk_keys import actions
from apps.sdk_keys.models import Activation, ActivationPool
from apps.webhooks.models import Event
from tests.engines import flat, in_threads
from tests.sdk_keys.conftest import BUNDLE, App

# As many at once as a database with its usual limit of connections takes beside others.
THREADS, EACH, LIMIT = 25, 4, 10
DEVICES = THREADS * EACH


@pytest.mark.django_db(transaction=True)
def test_a_limit_is_exact_under_a_hundred_devices(make_sdk_key, acme):
    key = make_sdk_key(activation_limit=LIMIT)

    def activate(number: int) -> int:
        return App(key, app_id=BUNDLE).activate(f"phone-{number}").status_code

    def activate_some(thread: int) -> list[int]:
        return [activate(thread * EACH + number) for number in range(EACH)]

    assert Counter(flat(in_threads(THREADS, activate_some))) == {201: LIMIT, 409: DEVICES - LIMIT}
    active = Activation.objects.filter(pool_id=key.row.pool_id).active()
    assert ActivationPool.objects.get(pk=key.row.pool_id).active_count == active.count() == LIMIT
    assert Event.objects.filter(type="sdk_key.limit_reached").count() == 1

    for place in active[:3]:
        actions.deactivate_activation(actor=system(acme.pk), key_id=key.row.public_id, activation_id=place.public_id)
    answers = Counter(flat(in_threads(THREADS, lambda thread: activate_some(1000 + thread))))
    assert answers == {201: 3, 409: DEVICES - 3}
    assert ActivationPool.objects.get(pk=key.row.pool_id).active_count == active.count() == LIMIT


@pytest.mark.django_db(transaction=True)
def test_one_device_many_times_at_once_takes_one_place(make_sdk_key):
    key = make_sdk_key(activation_limit=LIMIT)
    answers = Counter(in_threads(20, lambda _: App(key, app_id=BUNDLE).activate("phone-1").status_code))
    assert answers == {201: 1, 200: 19}
    assert ActivationPool.objects.get(pk=key.row.pool_id).active_count == Activation.objects.count() == 1
