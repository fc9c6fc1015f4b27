import base64
import hashlib
import subprocess
import sys

import pytest

from outbox.webhooks import BadHeaders, OutsideWindow, WebhookRefused, WrongSignature, verify
from outbox.webhooks.signing import new_secret, signed_headers
from tests.machine import require

# The vector that all reference libraries of Standard Webhooks share.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"webhook-id": ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": SIGNATURE}
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def hmac_by_rfc_2104(key: bytes, message: bytes) -> bytes:
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_a_signature_is_that_of_the_reference_libraries():
    assert signed_headers(ID, BODY, secrets=[SECRET], timestamp=TIMESTAMP) == HEADERS


def test_an_implementation_written_from_the_specification_agrees():
    made = hmac_by_rfc_2104(
        base64.b64decode(SECRET.removeprefix("whsec_")), f"{ID}.{TIMESTAMP}.".encode() + BODY
    )
    assert f"v1,{base64.b64encode(made).decode()}" == SIGNATURE


def test_openssl_agrees():
    key = base64.b64decode(SECRET.removeprefix("whsec_")).hex()
    made = subprocess.run(
        [
            require("openssl"),
            "dgst",
            "-sha256",
            "-mac",
            "HMAC",
            "-macopt",
            f"hexkey:{key}",
            "-binary",
        ],
        input=f"{ID}.{TIMESTAMP}.".encode() + BODY,
        capture_output=True,
        check=True,
    ).stdout
    assert f"v1,{base64.b64encode(made).decode()}" == SIGNATURE


def test_a_genuine_request_is_taken_whatever_the_case_of_its_headers():
    verified = verify({name.title(): value for name, value in HEADERS.items()}, BODY, [SECRET], now=TIMESTAMP)
    assert (verified.id, verified.timestamp) == (ID, TIMESTAMP)


def test_while_a_secret_is_replaced_old_and_new_both_fit():
    secrets = [new_secret(), new_secret()]
    headers = signed_headers(ID, BODY, secrets=secrets, timestamp=TIMESTAMP)
    for secret in secrets:
        assert verify(headers, BODY, [secret], now=TIMESTAMP)
    assert verify(HEADERS, BODY, [OTHER, SECRET], now=TIMESTAMP), "the receiver may have both, too"


def test_signatures_of_other_versions_are_passed_over():
    headers = {**HEADERS, "webhook-signature": f"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw== {SIGNATURE}"}
    assert verify(headers, BODY, [SECRET], now=TIMESTAMP)


@pytest.mark.parametrize(
    ("headers", "body", "secrets"),
    [
        (HEADERS, BODY + b" ", [SECRET]),
        (HEADERS, BODY, [OTHER]),
        (HEADERS, BODY, []),
        ({**HEADERS, "webhook-id": "msg_another"}, BODY, [SECRET]),
        ({**HEADERS, "webhook-timestamp": str(TIMESTAMP + 1)}, BODY, [SECRET]),
        ({**HEADERS, "webhook-signature": "v1,"}, BODY, [SECRET]),
        ({**HEADERS, "webhook-signature": "v1,AAAA"}, BODY, [SECRET]),
    ],
)
def test_what_was_not_signed_like_this_is_refused(headers, body, secrets):
    with pytest.raises(WrongSignature):
        verify(headers, body, secrets, now=TIMESTAMP)


@pytest.mark.parametrize("now", [TIMESTAMP + 301, TIMESTAMP - 301])
def test_a_request_from_outside_the_replay_window_is_refused_though_its_signature_fits(now):
    with pytest.raises(OutsideWindow, match="301 s"):
        verify(HEADERS, BODY, [SECRET], now=now)


@pytest.mark.parametrize("now", [TIMESTAMP + 300, TIMESTAMP - 300])
def test_the_window_ends_after_five_minutes(now):
    assert verify(HEADERS, BODY, [SECRET], now=now)


@pytest.mark.parametrize(
    "headers",
    [
        *({key: value for key, value in HEADERS.items() if key != gone} for gone in HEADERS),
        {**HEADERS, "webhook-timestamp": "hello"},
        {**HEADERS, "webhook-timestamp": "-1"},
        {**HEADERS, "webhook-timestamp": "1" * 400},
        {**HEADERS, "webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {**HEADERS, "webhook-signature": "nothing"},
        {**HEADERS, "webhook-signature": "v1,***"},
        {**HEADERS, "webhook-signature": "v2,g0hM9SsE"},
        {**HEADERS, "webhook-signature": "v1,ö"},
    ],
)
def test_headers_that_are_missing_or_malformed_are_refused_by_name(headers):
    with pytest.raises(BadHeaders, match="webhook-"):
        verify(headers, BODY, [SECRET], now=TIMESTAMP)


def test_every_refusal_is_one_kind_for_the_receiver():
    for kind in (BadHeaders, OutsideWindow, WrongSignature):
        assert issubclass(kind, WebhookRefused)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***", "whsec_" + "A" * 100])
def test_a_secret_that_is_none_is_refused_without_being_quoted(secret):
    with pytest.raises(ValueError, match="a webhook secret") as told:
        signed_headers(ID, BODY, secrets=[secret], timestamp=TIMESTAMP)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(told.value)


def test_new_secrets_have_256_bits_and_differ():
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in made} == {32}


def test_a_receiver_needs_no_django():
    code = "import sys, outbox.webhooks; assert not any(name.startswith('django') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
