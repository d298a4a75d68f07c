"""One strict reading of a receiver's URL: what is refused, what is accepted, and what is sent."""

from ipaddress import ip_address, ip_network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.base.outbound import AddressPolicy, UrlRefused, check_url
from tests.base.bad_urls import NUMERIC_SPELLINGS, all_bad_urls, words

pytestmark = pytest.mark.pure


STRICT = AddressPolicy(own_host="portal.example.com", own_port=443)
LOCAL = AddressPolicy(((ip_network("127.0.0.0/8"), None), (ip_network("::1/128"), None)), "portal.example.com", 443)


def test_there_are_enough_spellings_to_mean_something() -> None:
    assert len(set(all_bad_urls())) >= 250


@pytest.mark.parametrize("url", list(all_bad_urls()))
def test_a_url_that_could_be_read_in_two_ways_or_points_inside_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        check_url(url, STRICT)
    assert len(str(refused.value)) > 20 and str(refused.value).endswith(".")


@pytest.mark.parametrize("host", NUMERIC_SPELLINGS)
def test_an_exception_does_not_allow_other_spellings(host: str) -> None:
    with pytest.raises(UrlRefused):
        check_url(f"http://{host}:8080/", LOCAL)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://10.0.0.1/", "not_public"),
        ("https://[::1]/", "not_public"),
        ("https://0x7f.1/", "not_canonical"),
        ("https://[::0001]/", "not_canonical"),
        ("https://u@a.example/", "user_info"),
        ("http://a.example/", "https_required"),
        ("https://a.example:22/", "bad_port"),
        ("https://localhost/", "not_full_name"),
        ("https://portal.example.com/", "own_address"),
        ("https://a.example/#x", "fragment"),
        ("https://a.example/ x", "bad_character"),
        ("ftp://a.example/", "bad_scheme"),
        ("https://a..example/", "bad_host"),
    ],
)
def test_the_reason_is_told(url: str, reason: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        check_url(url, STRICT)
    assert refused.value.reason_code == reason


def test_the_message_names_what_is_wrong_with_a_literal() -> None:
    with pytest.raises(UrlRefused, match=r"^169\.254\.169\.254 is not a public address \(a link-local address\)"):
        check_url("https://169.254.169.254/latest/meta-data", STRICT)
    with pytest.raises(UrlRefused, match=r"\[2606:4700::1\]"):
        check_url("https://[2606:4700:0::1]/", STRICT)


GOOD_HOSTS = words("""
    hooks.example.com a.b example.co.uk x1.y2.z3.example 1password.com 3com.com 127.0.0.1.nip.io
    1.2.3.com xn--bcher-kva.example api-eu-west-1.example.io r3---sn-abc.example 0x7f.example.com
    deadbeef.onrender.com abc123.ngrok-free.app metadata.google.internal a.local host.docker.internal
    93.184.215.14 8.8.8.8 [2606:4700:4700::1111] [2a00:1450:4001::1]
""")
GOOD_PORTS = ["", ":443", ":8443", ":1024", ":65535"]
GOOD_PATHS = ["", "/", "/hook", "/a/../b//c;d=1?x[]=1&y=%20|~", "?token=a+b/c@d:e"]
GOOD_URLS = [f"https://{host}{port}{path}" for host, port, path in product(GOOD_HOSTS, GOOD_PORTS, GOOD_PATHS)]


def test_good_urls_are_never_refused() -> None:
    assert len(GOOD_URLS) >= 200
    for url in GOOD_URLS:
        target = check_url(url, STRICT)
        assert check_url(target.url, STRICT) == target, "what is sent reads the same again"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("HTTPS://Hooks.Example.COM", "https://hooks.example.com/"),
        ("https://hooks.example.com:443/a/../b", "https://hooks.example.com/a/../b"),
        ("https://a.b:80?x", "https://a.b:80/?x"),
        ("https://Bücher.example/ä".replace("/ä", "/%C3%A4"), "https://xn--bcher-kva.example/%C3%A4"),
        ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
    ],
)
def test_a_url_is_written_anew_from_its_parts(text: str, url: str) -> None:
    assert check_url(text, STRICT).url == url


def test_plain_http_needs_a_literal_that_the_operator_allowed() -> None:
    target = check_url("http://127.0.0.1:9000/hook", LOCAL)
    assert target.literal == ip_address("127.0.0.1") and target.port == 9000
    assert check_url("http://[::1]:9000/", LOCAL).url == "http://[::1]:9000/"
    for url in ("http://a.example/", "http://8.8.8.8/", "http://127.0.0.1:81/", "http://a.localhost:9000/"):
        with pytest.raises(UrlRefused):
            check_url(url, LOCAL)


def test_localhost_is_the_loopback_address_where_the_operator_allowed_that() -> None:
    for text, url in (
        ("http://localhost:9000/hook", "http://localhost:9000/hook"),
        ("http://LOCALHOST", "http://localhost/"),
        ("https://localhost:9443/x", "https://localhost:9443/x"),
    ):
        target = check_url(text, LOCAL)
        assert (target.url, target.literal) == (url, ip_address("127.0.0.1"))
    one_port = AddressPolicy(((ip_network("127.0.0.1/32"), 9000),))
    assert check_url("http://localhost:9000/", one_port)
    own = AddressPolicy(LOCAL.allowed, "127.0.0.1", 8000)
    for text, policy in (
        ("http://localhost:9000/", STRICT),
        ("http://localhost:9001/", one_port),
        ("http://localhost:9000/", AddressPolicy(((ip_network("10.0.0.0/8"), None),))),
        ("http://localhost.:9000/", LOCAL),
        ("http://localhost:8000/", own),
        ("http://localhost:8000/", AddressPolicy(LOCAL.allowed, "localhost", 8000)),
        ("http://localhost:81/", LOCAL),
    ):
        with pytest.raises(UrlRefused):
            check_url(text, policy)


def test_the_portals_own_port_is_refused_even_where_its_address_is_allowed() -> None:
    demo = AddressPolicy(((ip_network("127.0.0.1/32"), None),), "127.0.0.1", 8000)
    assert check_url("http://127.0.0.1:9000/", demo)
    with pytest.raises(UrlRefused, match="own address"):
        check_url("http://127.0.0.1:8000/", demo)
    with pytest.raises(UrlRefused, match="own address"):
        check_url("http://127.0.0.1:8000/", AddressPolicy(demo.allowed, "localhost", 8000))


@given(st.text(min_size=1, max_size=60))
def test_any_host_is_refused_or_becomes_a_plain_name_or_address(host: str) -> None:
    try:
        target = check_url(f"https://{host}/", STRICT)
    except UrlRefused:
        return
    assert target.url.isascii() and target.host.isascii() and "@" not in target.url.partition("/hook")[0].split("/")[2]
    odd = [part for part in target.host.split(".") if not part.replace("-", "a").isalnum()]
    assert target.literal or odd == []
