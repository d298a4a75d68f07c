"""Whose address a request has: the peer, or what the own proxies vouch for; never a header that is just believed."""

from ipaddress import ip_network

import pytest

from apps.base.middleware import client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("::1/128"), ip_network("127.0.0.1/32")]


@pytest.mark.pure
@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("::1", "2001:DB8::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, ::ffff:10.9.9.9", "203.0.113.1"),
    ],
)
def test_it_reads_from_the_right_and_stops_at_the_first_that_nobody_vouches_for(settings, remote, forwarded, address):
    settings.TRUSTED_PROXIES = PROXIES
    assert client_address(remote, forwarded) == address


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "status"),
    [
        ([], "127.0.0.1", "203.0.113.5", 403),
        (PROXIES, "127.0.0.1", "203.0.113.5", 200),
        (PROXIES, "127.0.0.1", "203.0.113.5, 198.51.100.1", 403),
        (PROXIES, "198.51.100.1", "203.0.113.5", 403),
        (PROXIES, "::ffff:127.0.0.1", "203.0.113.5", 200),
        ([], "203.0.113.5", "", 200),
        ([], "::ffff:203.0.113.5", "", 200),
    ],
)
def test_a_keys_networks_see_that_address(api, make_key, acme, settings, proxies, remote, forwarded, status):
    settings.TRUSTED_PROXIES = proxies
    key = make_key(acme, "users:read", allowed_networks=["203.0.113.0/24"])
    answer = api(key).get("/v1/me", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert answer.status_code == status
    assert answer.json().get("code") == (None if status == 200 else "ip_not_allowed")
