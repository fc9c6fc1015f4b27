import pytest

from config.redaction import HIDDEN, MAX_TEXT_CHARS, clean_field, clean_text, is_secret_name


@pytest.mark.parametrize(
    "text",
    [
        "connecting to postgres://longhaul:canary@db/longhaul",
        "redis://:canary@10.0.0.1:6379/0 is away",
        "Authorization: Bearer canary-canary-1234",
        "401 for key sk-canary-0123456789",
        "signed with whsec_canary0123456789==",
        "401 for lh_canary0123456789-canary0123456789",
        "GET /api/v1/runs/1/events?ticket=lht_canary0123456789_canary0123456789",
        "Not Found: /s/canary0123456789-canary0123456789/",
        "Not Found: /api/v1/shared/canary0123456789-canary0123456789/items",
        "password=canary, user=anna",
        'body {"api_key": "canary"}',
        "OPENAI_API_KEY=canary",
        "access_token: 'canary'",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    cleaned = clean_text(text)

    assert "canary" not in cleaned
    assert HIDDEN in cleaned


def test_what_is_no_secret_stays_readable() -> None:
    text = "run 0198 at http://127.0.0.1:8000/runs/ used 512 tokens_out, see https://host/path?page=3"

    assert clean_text(text) == text


def test_a_long_text_is_cut_and_says_so() -> None:
    cleaned = clean_text("x" * (MAX_TEXT_CHARS + 1))

    assert len(cleaned) < MAX_TEXT_CHARS + 50
    assert cleaned.endswith(f"[{MAX_TEXT_CHARS + 1} characters]")


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "api_key", "SECRET_KEY", "access-token", "FLOWER_BASIC_AUTH"]
)
def test_a_field_with_a_secret_name_is_hidden(name: str) -> None:
    assert is_secret_name(name)
    assert clean_field(name, "canary") == HIDDEN


@pytest.mark.parametrize("name", ["tokens_out", "author", "passage", "keyboard", "secretary"])
def test_a_harmless_name_is_not_taken_for_a_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_a_prompt_is_replaced_by_its_size() -> None:
    assert clean_field("prompt", "what the tenant wrote") == "[21 characters]"
    assert clean_field("messages", ["a", "b"]) == "[2 entries]"


def test_secrets_are_found_inside_nested_fields() -> None:
    field = {"headers": {"Authorization": "canary"}, "hosts": ["redis://:canary@host/0"], "retries": 3}

    cleaned = clean_field("request", field)

    assert "canary" not in str(cleaned)
    assert cleaned["retries"] == 3


def test_a_structure_that_contains_itself_ends() -> None:
    loop: dict[str, object] = {"password": "canary"}
    loop["again"] = loop

    assert "canary" not in str(clean_field("state", loop))
