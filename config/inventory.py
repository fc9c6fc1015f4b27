"""Every setting of Longhaul: which there are, what each is now, and where its value came from."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from pydantic import BaseModel, SecretStr, ValidationError

from config.conf import STARTING
from config.data_folder import DataFolder, read_values
from config.redaction import clean_text, is_secret_name

PREFIX = "LONGHAUL_"
FAILPOINTS = ("LONGHAUL_FAILPOINTS", "LONGHAUL_FAILPOINTS_DIR")  # for tests of dying processes only
# What `config/settings.py` reads under a name of its own.
PLAIN = (
    "SECRET_KEY",
    "DEBUG",
    "HTTPS",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DATABASE_SESSION_LIMITS",
    "REDIS_URL",
    "BROKER_URL",
    "LOG_LEVEL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "LONGHAUL_DATA_DIR",
    *FAILPOINTS,
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`value`: as text, secrets masked. `source`: `environment`, `data folder` or `default`."""

    name: str
    value: str
    source: str
    meaning: str = ""


def models() -> dict[str, type[BaseModel]]:
    """Every settings model of ours, by the module that holds it, in the order of the layers."""
    found: dict[str, type[BaseModel]] = {}
    for app in ("outbox", "streaming", "workflows", "documents", "config"):
        for path in sorted((settings.BASE_DIR / app).rglob("conf.py")):
            name = ".".join(path.relative_to(settings.BASE_DIR).with_suffix("").parts)
            for candidate in vars(import_module(name)).values():
                if (
                    isinstance(candidate, type)
                    and candidate.__module__ == name
                    and issubclass(candidate, BaseModel)
                ):
                    found[name] = candidate
    return found


def known_names() -> set[str]:
    """Names that `settings.LONGHAUL` may have."""
    return {name.upper() for model in models().values() for name in model.model_fields}


def faults(model: type[BaseModel]) -> list[tuple[str, str]]:
    """(setting, what is wrong with its value) of one app, in the words of the validator."""
    given = {
        name: settings.LONGHAUL[name.upper()]
        for name in model.model_fields
        if name.upper() in settings.LONGHAUL
    }
    try:
        model.model_validate(given)
    except ValidationError as error:
        return [(_setting_at(fault["loc"]), fault["msg"]) for fault in error.errors()]
    return []


def _setting_at(location: tuple[int | str, ...]) -> str:
    """A rule about several settings has no location; its message names them."""
    return f"{PREFIX}{str(location[0]).upper()}" if location else "LONGHAUL settings"


def settings_now() -> Iterator[Setting]:
    """Plain settings first, then those of each app in the order of the layers."""
    saved = read_values(DataFolder(settings.DATA_DIR).env_file)
    for name in PLAIN:
        yield Setting(name=name, value=mask(name, _plain_value(name)), source=source_of(name, saved))
    for name, default in STARTING.items():
        yield Setting(name=name, value=os.environ.get(name, default), source=source_of(name, saved))
    for model in models().values():
        for field_name, field in model.model_fields.items():
            name = f"{PREFIX}{field_name.upper()}"
            value = settings.LONGHAUL.get(field_name.upper(), field.default)
            yield Setting(
                name=name,
                value=mask(name, value) if field.annotation in (str, SecretStr) else str(value),
                source=source_of(name, saved),
                meaning=field.description or "",
            )


def source_of(name: str, saved: dict[str, str]) -> str:
    """`config/settings.py` copies the saved values into the environment, so the values are compared."""
    if name not in os.environ:
        return "default"
    return "data folder" if saved.get(name) == os.environ[name] else "environment"


def mask(name: str, value: Any) -> str:
    text = str(value)
    return "***" if text and is_secret_name(name) else clean_text(text)


def _plain_value(name: str) -> Any:
    if name in FAILPOINTS:
        return os.environ.get(name, "")
    if name == "LONGHAUL_DATA_DIR":
        return settings.DATA_DIR
    if name == "DATABASE_URL":
        database = settings.DATABASES["default"]
        return os.environ.get(name) or f"{database['ENGINE'].rpartition('.')[2]}: {database['NAME']}"
    if name == "LOG_LEVEL":
        return logging.getLevelName(logging.getLogger().level)
    return getattr(settings, name)
