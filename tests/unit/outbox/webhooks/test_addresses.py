from ipaddress import ip_network

import pytest

from outbox.webhooks.addresses import AddressRefused, is_allowed, parse_url, require_allowed

INTERNET = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "172.15.255.255",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00:1450::1",
]
REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",  # metadata of clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # metadata of another
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata over IPv6
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "1.1.1",
    "",
]


@pytest.mark.parametrize("address", INTERNET)
def test_an_address_of_the_internet_may_be_reached(address):
    assert is_allowed(address, allowed=())


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_none_of_the_internet_is_refused(address):
    assert not is_allowed(address, allowed=())


def test_an_ipv4_address_of_the_internet_is_one_in_ipv6_clothes_too():
    assert is_allowed("::ffff:8.8.8.8", allowed=())


def test_a_private_network_that_the_operator_names_may_be_reached_and_no_other():
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::7"):
        assert is_allowed(address, allowed=allowed)
    for address in ("10.2.0.1", "127.0.0.1", "fe80::1"):
        assert not is_allowed(address, allowed=allowed)


def test_one_bad_address_among_good_ones_refuses_the_host():
    with pytest.raises(AddressRefused, match=r"at 10\.0\.0\.1"):
        require_allowed(["1.1.1.1", "10.0.0.1"], allowed=())
    with pytest.raises(AddressRefused, match="no address"):
        require_allowed([], allowed=())


def test_a_url_is_taken_apart_once():
    target = parse_url("https://Hooks.example.com:8443/in?key=1", allow_http=False)
    assert (target.host, target.port, target.path) == ("hooks.example.com", 8443, "/in?key=1")
    assert target.authority == "hooks.example.com:8443"
    assert parse_url("https://[2606:4700::1]/", allow_http=False).authority == "[2606:4700::1]"
    assert parse_url("http://example.com", allow_http=True).port == 80


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "file:///etc/passwd",
        "https:///path",
        "https://",
        "//example.com/",
        "example.com/hook",
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com/#fragment",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nX-Header: 1",
        "https://example.com/\tx",
        " https://example.com/",
        "https://exämple.com/",
        "https://ⓔxample.com/",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://example.com/" + "x" * 2_000,
        "",
    ],
)
def test_a_url_that_is_odd_is_refused(url):
    with pytest.raises(AddressRefused):
        parse_url(url, allow_http=False)
