"""One try against servers that behave badly, and names that point where they must not."""

import time
from datetime import UTC, datetime

import pytest

from outbox.webhooks.addresses import AddressRefused
from outbox.webhooks.deliverer import limits
from outbox.webhooks.outgoing import Outgoing
from outbox.webhooks.registering import check_url
from outbox.webhooks.sending import _tls, post
from outbox.webhooks.signing import new_secret
from tests.integration.outbox.webhooks.receiver import make_certificate, receiving, speaking

NOW = datetime(2026, 11, 22, 9, 31, 4, tzinfo=UTC)
HOST = "hooks.example.test"


def send(url, *, resolve=lambda host, port: ["127.0.0.1"], **changes):
    outgoing = Outgoing(url=url, id="an-id", body=b'{"a":1}', secrets=[new_secret()])
    return post(outgoing, limits=limits(), now=NOW, resolve=resolve)


@pytest.fixture
def quick(settings):
    settings.LONGHAUL = {
        **settings.LONGHAUL,
        "WEBHOOK_TIMEOUT_SECONDS": 1,
        "WEBHOOK_CONNECT_TIMEOUT_SECONDS": 0.5,
    }


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """A certificate of HOST that this process trusts."""
    certificate, key = make_certificate(tmp_path, HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _tls.cache_clear()
    yield certificate, key
    _tls.cache_clear()


def test_a_redirect_is_a_failure_and_is_not_followed(receiver):
    with receiving() as elsewhere:
        receiver.answers = [(307, {"Location": elsewhere.url()})]
        answer = send(receiver.url())
        assert (answer.status, elsewhere.got) == (307, [])


def test_a_server_that_never_answers_costs_the_time_limit_and_no_more(quick):
    with speaking(lambda connection: time.sleep(3)) as port:
        began = time.monotonic()
        answer = send(f"http://127.0.0.1:{port}/")
    assert answer.error == "the answer took too long"
    assert time.monotonic() - began < 4


def test_a_server_that_drips_a_byte_at_a_time_costs_the_time_limit_and_no_more(quick):
    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.05)

    with speaking(drip) as port:
        began = time.monotonic()
        answer = send(f"http://127.0.0.1:{port}/")
        took = time.monotonic() - began
    assert answer.error == "the answer took too long"
    assert took < 2


def test_a_server_that_takes_the_body_in_sips_costs_the_time_limit_and_no_more(quick):
    def sip(connection):
        end = time.monotonic() + 8
        while time.monotonic() < end:
            time.sleep(0.5)
            for _ in range(64):
                connection.recv(65_536)

    with speaking(sip) as port:
        outgoing = Outgoing(
            url=f"http://127.0.0.1:{port}/", id="an-id", body=b"x" * 48_000_000, secrets=[new_secret()]
        )
        began = time.monotonic()
        post(outgoing, limits=limits(), now=NOW)
        took = time.monotonic() - began
    assert took < 4


def test_a_success_with_an_odd_retry_after_is_a_success(receiver):
    receiver.answers = [(200, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 +9999999999999"})]
    answer = send(receiver.url())
    assert (answer.status, answer.error) == (200, "")


def test_of_a_huge_answer_a_little_is_read_and_its_status_counts():
    sent = 0

    def flood(connection):
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65_536)

    with speaking(flood) as port:
        assert send(f"http://127.0.0.1:{port}/").status == 200
    assert sent < 20_000_000, "what the sockets' buffers hold, not the whole"


def test_headers_without_end_are_cut():
    def flood(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"y" * 8_192 + b"\r\n")

    with speaking(flood) as port:
        assert send(f"http://127.0.0.1:{port}/").error == "the answer is no HTTP"


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_a_failure(said):
    with speaking(lambda connection: connection.sendall(said)) as port:
        answer = send(f"http://127.0.0.1:{port}/")
    assert answer.status is None
    assert answer.error


def test_nobody_listening_is_a_failure(quick):
    with speaking(lambda connection: None) as port:
        pass
    assert send(f"http://127.0.0.1:{port}/").error.startswith("not connected")


def test_a_host_that_is_not_found_is_a_failure():
    def nowhere(host, port):
        raise OSError(-2, "Name or service not known")

    assert send(f"https://{HOST}/", resolve=nowhere).error == f"not connected: the host {HOST} is not found"


def test_tls_is_verified_for_the_name_though_the_address_was_given(trusted):
    with receiving(trusted) as receiver:
        answer = send(receiver.url(HOST, "https"))
        assert (answer.status, answer.error) == (204, "")
        assert receiver.server_names == [HOST]
        assert receiver.got[0].headers["host"] == f"{HOST}:{receiver.port}"


def test_a_certificate_of_another_name_is_refused(trusted):
    with receiving(trusted) as receiver:
        answer = send(receiver.url("other.example.test", "https"))
        assert answer.error.startswith("TLS: Hostname mismatch")
        assert receiver.got == []


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    _tls.cache_clear()
    with receiving(make_certificate(tmp_path, HOST)) as receiver:
        assert send(receiver.url(HOST, "https")).error.startswith("TLS: self")
        assert receiver.got == []


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "0.0.0.0"]
)
def test_a_name_that_turns_to_a_private_address_after_registration_is_not_connected_to(receiver, address):
    answers = iter([["93.184.215.14"], [address]])

    def rebinding(host, port):
        return next(answers)

    url = f"http://{HOST}:{receiver.port}/"
    check_url(url, resolve=rebinding)
    answer = send(url, resolve=rebinding)
    assert f"at {address}" in answer.error
    assert receiver.got == []


def test_the_address_that_was_checked_is_the_one_connected_to_and_is_asked_for_once(receiver):
    asked = []

    def changing(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    assert send(f"http://{HOST}:{receiver.port}/", resolve=changing).status == 204
    assert asked == [HOST]


def test_one_private_address_among_those_of_a_host_is_enough_to_refuse_it(receiver):
    answer = send(f"http://{HOST}:{receiver.port}/", resolve=lambda *_: ["127.0.0.1", "192.168.0.1"])
    assert "192.168.0.1" in answer.error
    assert receiver.got == []


def test_when_one_address_does_not_answer_the_next_one_is_tried(receiver, quick):
    resolve = lambda *_: ["127.0.0.2", "127.0.0.1"]  # noqa: E731
    assert send(f"http://{HOST}:{receiver.port}/", resolve=resolve).status == 204


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_however_a_private_address_is_spelled_it_is_refused(settings, url):
    settings.LONGHAUL = {**settings.LONGHAUL, "WEBHOOK_ALLOWED_NETWORKS": ""}
    with pytest.raises(AddressRefused):
        check_url(url)
    outgoing = Outgoing(url=url, id="an-id", body=b"{}", secrets=[new_secret()])
    assert "no address of the internet" in post(outgoing, limits=limits(), now=NOW).error


def test_plain_http_takes_a_setting(settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "WEBHOOK_ALLOW_HTTP": False}
    with pytest.raises(AddressRefused, match="https"):
        check_url("http://example.com/", resolve=lambda *_: ["93.184.215.14"])
    assert "https" in send("http://example.com/").error


def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert send(receiver.url()).status == 204
