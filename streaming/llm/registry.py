"""Which model a step gets: the settings decide, the step does not know."""

from typing import cast

from django.utils.module_loading import import_string

from streaming.conf import StreamingSettings, conf
from streaming.llm.base import Model
from streaming.llm.offline import Extract, OfflineModel, Pace
from streaming.llm.recorded import RecordedModel
from streaming.llm.recorder import RecordingModel


def get_model() -> Model:
    """The model of the settings. Raises ImportError when OFFLINE_EXTRACTOR names nothing."""
    settings = conf()
    model = _provider(settings)
    if settings.model_record_to is None:
        return model
    return RecordingModel(
        model=model, folder=settings.model_record_to, keep_prompts=settings.model_record_prompts
    )


def _provider(settings: StreamingSettings) -> Model:
    match settings.model_provider:
        case "openai":
            return openai_model(settings)
        case "recorded":
            return recorded_model(settings)
    return offline_model(settings)


def recorded_model(settings: StreamingSettings) -> RecordedModel:
    assert settings.model_recording is not None  # the settings were checked
    return RecordedModel(
        path=settings.model_recording,
        speed=settings.model_recording_speed,
        receipts=settings.model_recording_log,
    )


def offline_model(settings: StreamingSettings) -> OfflineModel:
    return OfflineModel(
        cast(Extract, import_string(settings.offline_extractor)),
        pace=Pace(
            min_chars=settings.offline_chunk_min_chars,
            max_chars=settings.offline_chunk_max_chars,
            delay_seconds=settings.offline_chunk_delay_seconds,
        ),
    )


def openai_model(settings: StreamingSettings) -> Model:
    # Imported here: the SDK takes most of a second to load, which only processes that ask a model should pay.
    from streaming.llm.openai import OpenAIModel
    from streaming.llm.openai_request import Dialect
    from streaming.llm.patience import Patience

    return OpenAIModel(
        name=settings.model_name,
        base_url=settings.model_base_url,
        api_key=settings.model_api_key,
        patience=Patience(
            connect_seconds=settings.model_connect_timeout_seconds,
            first_token_seconds=settings.model_first_token_timeout_seconds,
            idle_seconds=settings.model_idle_timeout_seconds,
        ),
        include_usage=settings.model_include_usage,
        max_retry_after_seconds=settings.model_max_retry_after_seconds,
        dialect=Dialect(structured_output=settings.model_structured_output, prefill=settings.model_prefill),
    )
