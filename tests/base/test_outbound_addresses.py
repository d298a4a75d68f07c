"""Which addresses are public, what the operator may except, and that the portal never calls itself."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.base.outbound import AddressPolicy, HeaderRefused, check_header, is_own_interface, is_public
from apps.base.outbound.addresses import IPV4_DENIED, IPV6_DENIED

pytestmark = pytest.mark.pure


def _words(text: str) -> list[str]:
    return text.split()


NOT_PUBLIC = _words("""
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.170 192.0.2.1
    192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::808:808
    64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:4:112::1 2001:10::1 2001:20::1
    2001:db8::1 2002:7f00:1::1 2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 fc00::1
    fd00:ec2::254 fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 ff0e::1 1fff::1
""")
PUBLIC = _words("""
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 168.63.129.15
    168.63.129.17 169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1
    198.17.255.255 198.20.0.1 203.0.112.255 203.0.114.1 223.255.255.255
    2001:200::1 2001:4860:4860::8888 2003::1 2606:4700:4700::1111 2620:4f:7fff::1 2a00:1450:4001::1 3ffe::1 3fff:1000::1
""")


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_a_special_address_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_neighbour_of_a_special_range_is_public(text: str) -> None:
    assert is_public(ip_address(text))


def test_both_ends_of_every_denied_network_are_refused() -> None:
    for network, _kind in IPV4_DENIED + IPV6_DENIED:
        assert not is_public(network[0]) and not is_public(network[-1]), network


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_public_that_the_standard_library_calls_private(ip: IPv4Address | IPv6Address) -> None:
    assert not is_public(ip) or (ip.is_global and not ip.is_multicast)


@given(st.ip_addresses(v=4))
def test_no_ipv6_form_of_an_ipv4_address_is_public(ip: IPv4Address) -> None:
    number = int(ip)
    embedded = [
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
    ]
    assert [each for each in embedded if is_public(IPv6Address(each))] == []


def test_an_exception_holds_for_its_network_and_port_only() -> None:
    policy = AddressPolicy(allowed=((ip_network("10.1.0.0/16"), 8443), (ip_network("fd00::/8"), None)))
    assert policy.refusal(ip_address("10.1.2.3"), 8443) is None
    assert policy.refusal(ip_address("10.1.2.3"), 443) == "private"
    assert policy.refusal(ip_address("10.2.0.1"), 8443) == "private"
    assert policy.refusal(ip_address("fd00::1"), 9999) is None
    assert policy.refusal(ip_address("::ffff:10.1.2.3"), 8443) == "embedded"


def test_an_address_of_this_machine_is_known_without_a_packet() -> None:
    assert is_own_interface(ip_address("127.0.0.1"))
    assert not is_own_interface(ip_address("8.8.8.8"))
    assert not is_own_interface(ip_address("2606:4700:4700::1111"))


def test_an_excepted_loopback_address_never_reaches_the_portals_own_port() -> None:
    policy = AddressPolicy(((ip_network("127.0.0.0/8"), None),), own_host="localhost", own_port=8000)
    assert policy.refusal(ip_address("127.0.0.1"), 8000) == "own"
    assert policy.refusal(ip_address("127.0.0.1"), 8001) is None


def test_the_policy_comes_from_the_settings(settings) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = ((ip_network("127.0.0.1/32"), None),)
    settings.PUBLIC_URL = "https://Portal.example.com"
    policy = AddressPolicy.from_settings()
    assert policy == AddressPolicy(((ip_network("127.0.0.1/32"), None),), "portal.example.com", 443)
    assert policy.is_own_name("portal.example.com") and not policy.is_own_name("example.com")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Team", "blue"),
        ("Authorization", "Bearer abc.def=="),
        ("x_1", "a b\tc"),
        ("Cookie", "a=b"),
        ("X!#$%&'*+.^`|~", "~"),
        ("Authorization", "Bearer " + "x" * 4089),
    ],
)
def test_an_ordinary_header_is_accepted(name: str, value: str) -> None:
    check_header(name, value)


@pytest.mark.parametrize(
    "name",
    _words("""
        Host host HOST Content-Length Transfer-Encoding Content-Type Content-Encoding Connection TE Trailer Upgrade
        Expect Keep-Alive Proxy-Authorization Proxy-Connection Webhook-Id webhook-signature Svix-Id User-Agent Date
        Content_Length transfer_encoding WEBHOOK_SIGNATURE webhook_id Svix_Id proxy_authorization User_Agent
        Accept_Encoding Keep_Alive HTTP2_Settings http2-settings
    """),
)
def test_a_header_that_the_portal_sets_is_refused(name: str) -> None:
    with pytest.raises(HeaderRefused) as refused:
        check_header(name, "x")
    assert name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("X Y", "x"),
        ("X:", "x"),
        ("X\r\nY", "x"),
        ("X\0", "x"),
        ("Ü", "x"),
        ("x" * 65, "x"),
        ("Host ", "x"),
        (" Host", "x"),
        ("X\n", "x"),
        ("Transfer-Encoding\n", "x"),
        ("X", ""),
        ("X", " a"),
        ("X", "a "),
        ("X", "a\r\nB: c"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\0b"),
        ("X", "ü"),
        ("X", "a\x7f"),
        ("X", "x" * 4097),
        ("X", "a\r\n b"),
        ("X", "a\n"),
        ("X", "\ta"),
        ("X", "a\x0bb"),
        ("X", "a\u2028b"),
    ],
)
def test_a_header_that_could_break_the_message_is_refused(name: str, value: str) -> None:
    with pytest.raises(HeaderRefused):
        check_header(name, value)
