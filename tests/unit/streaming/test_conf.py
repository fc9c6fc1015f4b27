import pytest
from pydantic import ValidationError

from streaming.conf import StreamingSettings, conf
from streaming.parsers import Limits

KEY = "sk-very-secret-0123456789"


def test_the_defaults_need_no_key_and_agree_with_those_of_the_parsers():
    settings = StreamingSettings()

    assert settings.model_provider == "offline"
    assert settings.parser_limits() == Limits()


def test_values_come_from_the_project_settings(settings):
    settings.LONGHAUL = {"JSON_MAX_ITEMS": "7", "OFFLINE_CHUNK_DELAY_SECONDS": "0"}

    assert conf().parser_limits().max_items == 7
    assert conf().offline_chunk_delay_seconds == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model_provider": "openai"}, "MODEL_NAME must say which model"),
        ({"model_provider": "magic"}, "'offline', 'openai' or 'recorded'"),
        ({"model_base_url": "ftp://models"}, "http or https address"),
        ({"model_base_url": "not an address"}, "http or https address"),
        ({"model_base_url": f"https://user:{KEY}@models"}, "no user name or password"),
        ({"model_api_key": f"{KEY}\nX-Header: 1"}, "printable ASCII"),
        ({"model_api_key": f"{KEY} {KEY}"}, "without spaces"),
        ({"model_api_key": f"{KEY}ä"}, "printable ASCII"),
        ({"model_api_key": KEY, "model_idle_timeout_seconds": "0"}, "greater than 0"),
        ({"model_api_key": KEY, "model_idle_timeout_seconds": 500}, "must not be under MODEL_IDLE_TIMEOUT"),
        ({"offline_chunk_min_chars": 9, "offline_chunk_max_chars": 8}, "OFFLINE_CHUNK_MIN_CHARS"),
        ({"json_max_string_bytes": 9, "json_max_line_bytes": 8}, "JSON_MAX_STRING_BYTES"),
        ({"fanout_block_ms": 5_000}, "less than or equal to 2000"),
        ({"json_max_depth": 201}, "less than or equal to 200"),
    ],
)
def test_nonsense_is_refused_in_words_that_never_hold_the_key(given, sentence):
    with pytest.raises(ValidationError) as refusal:
        StreamingSettings.model_validate(given)

    assert sentence in str(refusal.value)
    assert KEY not in str(refusal.value)


def test_the_key_is_trimmed_and_never_shown():
    settings = StreamingSettings(model_api_key=f" {KEY}\n")

    assert settings.model_api_key.get_secret_value() == KEY
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json()
