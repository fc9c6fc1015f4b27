"""Secrets that stand for somebody."""

from workflows.credentials import SHOWN_CHARS, TICKET_PREFIX, TOKEN_PREFIX, digest, new_secret


def test_a_secret_has_256_random_bits_and_fits_an_address():
    secrets = {new_secret(TOKEN_PREFIX) for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert len(secret.removeprefix(TOKEN_PREFIX)) == 43
        assert secret.replace("-", "").replace("_", "").isalnum()


def test_what_is_shown_of_a_token_leaves_more_to_guess_than_anybody_can():
    hidden_bits = (len(new_secret(TOKEN_PREFIX)) - SHOWN_CHARS) * 6
    assert hidden_bits > 200


def test_a_ticket_is_never_taken_for_a_token():
    assert not TICKET_PREFIX.startswith(TOKEN_PREFIX)


def test_whatever_is_sent_has_a_digest():
    assert len({digest(text) for text in ("", "ü", "\ud800", "lh_x" * 10_000)}) == 4
