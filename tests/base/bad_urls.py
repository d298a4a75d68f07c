"""URLs that the portal must refuse: other spellings of inside addresses, and what parsers disagree on."""

from collections.abc import Iterator


def words(text: str) -> list[str]:
    """The words of a block of text."""
    return text.split()


# Other spellings of 127.0.0.1, 169.254.169.254 and 10.0.0.1, and hosts that some parser reads as one of them.
NUMERIC_SPELLINGS = words("""
    2130706433 017700000001 0x7f000001 0X7F000001 0x7f.0x0.0x0.0x1 0x7f.0.0.1 0x7f.1 127.1 127.0.1
    0177.0.0.1 0177.1 0177.0.1 00177.0.0.1 127.0.0.01 127.0.0.001 127.00.0.1 127.000.000.001 0127.0.0.1
    127.0x0.0.1 127.0.0.0x1 127.0.0.1. 127.0.0.1.. 127.1. 0x7f.1. 2130706433. 127.0.0.1.2 127.0.0 127 0
    0.0 0x0 00 00000000 127.0.0.256 256.256.256.256 127.0.0.-1 127.65536 127.0.65537 4294967295
    4294967296 6425673729 0x17f000001 127.0.0.1.0x 0x 127..0.0.1 .127.0.0.1 127.0.0.1e0 2852039166
    0xa9fea9fe 0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe 169.254.43518 169.16689662 0251.254.169.254
    0xa9.254.169.254 169.0376.169.254 169.254.169.254. 0251.0xfe.43518 0250.0375.0250.0375 167772161
    012.0.0.1 0xa.1 10.1 10.0.1 012.1 10.0.0.01 0xA.0.0.1 192.11010049 192.168.257 0300.0250.0.1
    3232235521 0xc0a80001 0xc0.0xa8.0.1 １２７.0.0.1 １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ①②⑦.⓪.⓪.①
    ⑯⑨.②⑤④.⑯⑨.②⑤④ ١٢٧.٠.٠.١ १२७.०.०.१ 127.0.0.１ １２７。０。０。１ ０x7f.1 0ｘ7f.1 ²¹³⁰⁷⁰⁶⁴³³ 𝟏𝟐𝟕.𝟎.𝟎.𝟏 𝟙𝟚𝟟.𝟘.𝟘.𝟙
    127.0.0.① ２１３０７０６４３３ 127․0․0․1
""")
IPV6_SPELLINGS = words("""
    ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0001 0::1 ::0:1 :: 0:0:0:0:0:0:0:0 ::0
    ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:127.0.0.1 ::ffff:7F00:0001
    0:0:0:0:0:ffff:127.0.0.1 ::ffff:0:127.0.0.1 ::ffff:0:7f00:1 ::ffff:a9fe:a9fe ::ffff:169.254.169.254
    ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:127.1 ::ffff:0x7f.1 ::ffff:127.0.0.01 64:ff9b::127.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1 2002:7f00:1:: 2002:7f00:1::1 2002:a9fe:a9fe::
    2002:a00:1:: 2001:0:7f00:1:: 2001::1 2001:0:0:0:0:0:80ff:fffe 2001:db8::1 fe80::1 fe80::1%eth0
    fe80::1%25eth0 fe80::1%251 ::1%lo ::1%25lo ::1%1 fec0::1 fc00::1 fd00:ec2::254 FD00:EC2::254 fd00::1
    ff02::1 100::1 5f00::1 4000::1 3fff::1 2620:4f:8000::1 2606:4700:4700:0::1111
    2606:4700:4700::1111%eth0 2606:4700:4700::AAAA 2606:4700::0:1 1::1::1 :::1 ::1: 1 v1.fe80 127.0.0.1
    ::ffff:１２７.0.0.1 ::１
""")
OTHER_SPELLINGS = [
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost.localdomain./",
    "https://a.localhost/",
    "https://ip6-localhost/",
    "https://intranet/",
    "https://metadata/",
    "https://metadata./",
    "https://kubernetes/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://localhost%00.example.com/",
    "https://127.0.0.1%00.example.com/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://%6c%6f%63alhost/",
    "https://example.com%2f@127.0.0.1/",
    "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1@hooks.example.com/",
    "https://user:pw@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://:@hooks.example.com/",
    "https://a@b@127.0.0.1/",
    "https://hooks.example.com:443@127.0.0.1/",
    "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https:/\\127.0.0.1/",
    "https://hooks.example.com\\.127.0.0.1/",
    "https:127.0.0.1",
    "https:/127.0.0.1",
    "https:///127.0.0.1/",
    "https:////127.0.0.1/",
    "//127.0.0.1/",
    "/hook",
    "",
    "https://",
    "https:///",
    "https://:443/",
    "https://?a",
    "https://#a",
    "127.0.0.1",
    "hooks.example.com",
    " https://hooks.example.com/",
    "https://hooks.example.com/ ",
    "https://hooks.example.com/\n",
    "\thttps://hooks.example.com/",
    "https://127.0.0.1\t/",
    "https://127.0.\n0.1/",
    "https://127.0.0.1\r\nHost: x/",
    "https://hooks.example.com/\r\nX: y",
    "https://hooks.example.com/\0",
    "https://hooks.example.com\0.evil.example/",
    "https://hooks\u00ad.example.com/",
    "https://hooks\u200b.example.com/",
    "https://hooks.example\u2028.com/",
    "https://hooks.example.com\u3000/",
    "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com/#fragment",
    "https://hooks.example.com?@127.0.0.1#",
    "http://hooks.example.com/",
    "http://93.184.215.14/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/_x",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "httpsx://hooks.example.com/",
    "https+unix://hooks.example.com/",
    "unix:///var/run/docker.sock",
    "jar:https://hooks.example.com!/",
    "url:https://127.0.0.1/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:25/",
    "https://hooks.example.com:1023/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:0443/",
    "https://hooks.example.com:443443/",
    "https://hooks.example.com:+443/",
    "https://hooks.example.com:-1/",
    "https://hooks.example.com:４４３/",
    "https://hooks.example.com:443:443/",
    "https://hooks.example.com:443x/",
    "https://a.b:80 80/",
    "https://hooks..example.com/",
    "https://.example.com/",
    "https://hooks.example.com./",
    "https://-hooks.example.com/",
    "https://hooks-.example.com/",
    "https://ho_oks.example.com/",
    "https://hooks,example.com/",
    "https://hooks.example.com;a/",
    "https://[hooks.example.com]/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]]/",
    "https://[[::1]]/",
    "https://[::1]a/",
    "https://a[::1]/",
    "https://[]/",
    "https://xn--/",
    "https://xn--a.example.com/",
    "https://xn--127-0-0-1-.example/",
    "https://☃.example.com/",
    "https://exa℀mple.com/",
    "https://example.com／.evil.example/",
    "https://example。com/",
    "https://hoo\u212as.example.com/",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + "a." * 130 + "com/",
    "https://hooks.example.com/" + "a" * 2048,
    "https://hooks.example.com/a b",
    "https://hooks.example.com/ü",
    "https://a.b/%zz",
    "https://a.b/%",
    "https://a.b/<x>",
    'https://a.b/"',
    "https://a.b/{id}",
    "https://a.b/`id`",
    "https://a.b/^",
    "https://portal.example.com/",
    "https://PORTAL.example.com:8443/x",
    "https://example.123/",
    "https://example.0x1f/",
]


def all_bad_urls() -> Iterator[str]:
    """Every URL of this module."""
    yield from (f"https://{host}/" for host in NUMERIC_SPELLINGS)
    yield from (f"https://[{host}]:8443/hook" for host in IPV6_SPELLINGS)
    yield from OTHER_SPELLINGS
