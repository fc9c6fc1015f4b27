"""`manage.py check`: settings that make no sense are refused before anything starts, with the mend.

E001 unknown setting          E002 value out of range        E003 lease shorter than two heartbeats
E004 a step outlives the broker's visibility timeout         E005 SQLite without IMMEDIATE
E006 DEBUG behind HTTPS       E007 no secret key (deploy)    E008 sockets open to every origin
E009 no slot for the sweeper  W010 Redis without a password (deploy)
E011 an item that fits no event   E012 a step's idle time-out below the interval of activity
E013 failpoints (deploy)      W014 shrunk times (deploy)     W015 no HTTPS (deploy)
E016 an OTEL_… variable that the exporter of spans does not take
In `config/webhook_checks.py`: W017 webhooks without TLS (deploy)   W018 that reach a cloud's metadata (deploy)
W019 large JSON documents are read without the compiled parser
E020 a budget of money, and a model without a price   E022 no such offline extractor: in `config/model_checks.py`
W021 a step in a queue that nobody serves: in `config/queue_checks.py`
"""

import difflib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from config import inventory
from config.conf import STARTING, conf
from config.redaction import clean_text
from outbox.conf import OutboxSettings
from outbox.conf import conf as outbox_conf
from streaming.parsers import skipping
from workflows import telemetry
from workflows.conf import conf as workflow_conf
from workflows.definitions import find, registry

ITEM_OVERHEAD_BYTES = 2_000  # what an item's event says beside the item
LOOPBACK = {"localhost", "127.0.0.1", "::1", None}


def check_settings(**_: Any) -> list[CheckMessage]:
    """Names and values; what compares values with each other runs only when each is sound alone."""
    messages = [*_unknown_names(), *_bad_values()]
    messages += _bad_starting_values()
    if not any(message.id == "longhaul.E002" for message in messages):
        messages += [*_short_lease(), *_long_steps(), *_no_slot_for_the_sweeper()]
        messages += [*_large_items(), *_impatient_steps()]
    return messages


def _unknown_names() -> Iterator[CheckMessage]:
    known = inventory.known_names()
    for name in sorted(set(settings.LONGHAUL) - known):
        near = difflib.get_close_matches(name, known, n=1)
        meant = (
            f"Did you mean {inventory.PREFIX}{near[0]}?"
            if near
            else "`.venv/bin/python manage.py doctor` lists all settings."
        )
        yield Error(f"There is no setting {inventory.PREFIX}{name}.", hint=meant, id="longhaul.E001")


def _bad_values() -> Iterator[CheckMessage]:
    for model in inventory.models().values():
        for name, fault in inventory.faults(model):
            yield Error(
                f"{name}: {fault}.",
                hint="`.venv/bin/python manage.py doctor` shows its meaning.",
                id="longhaul.E002",
            )


def _bad_starting_values() -> Iterator[CheckMessage]:
    for name, default in STARTING.items():
        value = os.environ.get(name) or default
        if default.isdecimal() and not (value.isdecimal() and int(value) > 0):
            yield Error(f"{name}: {value!r} is no whole number above 0.", id="longhaul.E002")


def _short_lease() -> Iterator[CheckMessage]:
    limits = workflow_conf()
    if limits.lease_seconds < 2 * limits.lease_heartbeat_seconds:
        yield Error(
            f"A lease of {limits.lease_seconds:g} s does not outlive two heartbeats of "
            f"{limits.lease_heartbeat_seconds:g} s: one late heartbeat would cost a step its worker.",
            hint="Raise LONGHAUL_LEASE_SECONDS or lower LONGHAUL_LEASE_HEARTBEAT_SECONDS.",
            id="longhaul.E003",
        )


def _long_steps() -> Iterator[CheckMessage]:
    visible = conf().broker_visibility_timeout_seconds
    grace = workflow_conf().hard_limit_grace_seconds
    for workflow in map(find, registry.names()):
        for step in workflow.steps:
            if step.timeout + grace >= visible:
                yield Error(
                    f"Step {step.name} of {workflow.name} may take {step.timeout + grace:g} s, but the "
                    f"broker hands its message out again after {visible} s.",
                    hint="Raise LONGHAUL_BROKER_VISIBILITY_TIMEOUT_SECONDS or split the step.",
                    id="longhaul.E004",
                )


def _large_items() -> Iterator[CheckMessage]:
    item, payload = workflow_conf().item_max_bytes, outbox_conf().max_payload_bytes
    if item + ITEM_OVERHEAD_BYTES > payload:
        yield Error(
            f"An item of {item} bytes does not fit into its event of at most {payload} bytes, of which "
            f"{ITEM_OVERHEAD_BYTES} are for the rest.",
            hint="Lower LONGHAUL_ITEM_MAX_BYTES or raise LONGHAUL_MAX_PAYLOAD_BYTES.",
            id="longhaul.E011",
        )


def _impatient_steps() -> Iterator[CheckMessage]:
    interval = workflow_conf().activity_interval_seconds
    for workflow in map(find, registry.names()):
        for step in workflow.steps:
            if step.idle_timeout is not None and step.idle_timeout < interval:
                yield Error(
                    f"Step {step.name} of {workflow.name} is given up after {step.idle_timeout:g} s of silence, "
                    f"but the words of a model count as activity only every {interval:g} s.",
                    hint="Raise the step's idle_timeout or lower LONGHAUL_ACTIVITY_INTERVAL_SECONDS.",
                    id="longhaul.E012",
                )


def _no_slot_for_the_sweeper() -> Iterator[CheckMessage]:
    slots = int(os.environ.get("RELAY_CONCURRENCY") or STARTING["RELAY_CONCURRENCY"])
    if slots < 2:
        yield Error(
            "The relay fills the only slot of its process for good; the sweeper would wait behind it.",
            hint="Raise RELAY_CONCURRENCY to 2 or more.",
            id="longhaul.E009",
        )
    linger, every = outbox_conf().relay_linger_seconds, conf().relay_every_seconds
    if linger <= every:
        yield Error(
            f"A relay that lingers {linger:g} s ends before beat sends the next one, every {every:g} s.",
            hint="Raise LONGHAUL_RELAY_LINGER_SECONDS to twice LONGHAUL_RELAY_EVERY_SECONDS.",
            id="longhaul.E009",
        )


def check_database(**_: Any) -> list[CheckMessage]:
    database: dict[str, Any] = settings.DATABASES["default"]
    mode = database.get("OPTIONS", {}).get("transaction_mode")
    if not database["ENGINE"].endswith("sqlite3") or mode == "IMMEDIATE":
        return []
    return [
        Error(
            "SQLite without IMMEDIATE transactions answers 'database is locked' when two processes write.",
            hint='Set OPTIONS["transaction_mode"] = "IMMEDIATE".',
            id="longhaul.E005",
        )
    ]


def check_web(**_: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.DEBUG and settings.HTTPS:
        messages.append(
            Error(
                "DEBUG shows settings and source to every visitor; HTTPS=true says that all may visit.",
                hint="Leave out DEBUG, or HTTPS for work on this machine.",
                id="longhaul.E006",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        messages.append(
            Error(
                "ALLOWED_HOSTS=* lets every website open sockets in the name of your users.",
                hint="Name the hosts: ALLOWED_HOSTS=longhaul.example.com",
                id="longhaul.E008",
            )
        )
    return messages


def check_telemetry(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{clean_text(fault)}.",
            hint="Correct it: until then no spans are exported. docs/telemetry.md says what is read.",
            id="longhaul.E016",
        )
        for fault in telemetry.faults()
    ]


def check_parsers(**_: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"{fault}: what is left out of a large document is read several times slower.",
            hint="Install ijson's wheel for this platform, or yajl with its headers before ijson.",
            id="longhaul.W019",
        )
        for fault in filter(None, [skipping.fault_of_backend()])
    ]


def check_deployment(**_: Any) -> list[CheckMessage]:
    """With `check --deploy` only: `make up` on one machine needs none of it."""
    messages: list[CheckMessage] = []
    if settings.SECRET_KEY.startswith("insecure-"):
        messages.append(
            Error(
                "SECRET_KEY is not set: sessions and links could be forged.",
                hint="Set SECRET_KEY to 50 random characters or more.",
                id="longhaul.E007",
            )
        )
    for name in ("REDIS_URL", "BROKER_URL"):
        address = urlsplit(getattr(settings, name))
        if address.hostname not in LOOPBACK and not address.password:
            messages.append(
                Warning(
                    f"{name} has no password: whoever reaches that server can forge and read messages.",
                    hint=f"{name}=redis://:password@host:6379/0",
                    id="longhaul.W010",
                )
            )
    return [*messages, *_for_tests_only(), *_no_https()]


def _for_tests_only() -> Iterator[CheckMessage]:
    for name in filter(os.environ.get, inventory.FAILPOINTS):
        yield Error(
            f"{name} is set: processes can be told to stop or die in the middle of their work.",
            hint=f"Unset {name}; it is for tests of such deaths only.",
            id="longhaul.E013",
        )
    if inventory.faults(OutboxSettings):  # E002 has said so
        return
    if (scale := outbox_conf().time_scale) < 1:
        yield Warning(
            f"LONGHAUL_TIME_SCALE={scale:g} shrinks leases, beats and back-offs, as tests want it: a worker that is "
            "slow for a moment would lose its steps.",
            hint="Unset LONGHAUL_TIME_SCALE; single times have settings of their own.",
            id="longhaul.W014",
        )


def _no_https() -> Iterator[CheckMessage]:
    if not settings.HTTPS:
        yield Warning(
            "Without HTTPS passwords, session cookies and documents can be read on their way.",
            hint="Behind a proxy that speaks TLS and sets X-Forwarded-Proto: HTTPS=true. It turns on secure cookies, "
            "the redirect to https and HSTS.",
            id="longhaul.W015",
        )
