"""`/api/asyncapi.json`: AsyncAPI 3 of the streams and the socket, made from the registry of events."""

from collections.abc import Sequence
from typing import Any

from outbox.models import Audience
from workflows.api.description.answers import Problem
from workflows.api.description.events import (
    CONTROLS,
    UUID_TEXT,
    WHOLE,
    Schema,
    control_schema,
    data_schemas,
    envelope_schema,
)
from workflows.events import TYPES

AUDIENCES = {
    Audience.PUBLIC: "For everyone who sees the run.",
    Audience.MEMBER: "For callers of the API who see the run.",
    Audience.OPERATOR: "For operators.",
}
CURSOR: Schema = {"oneOf": [WHOLE, {"type": "string", "pattern": r"^([1-9][0-9]*\.)?[0-9]+$"}]}
# What a client may say on the socket, and what it is told there besides controls, which then name their `run`.
SAID: dict[str, tuple[str, Schema, list[str]]] = {
    "subscribe": ("Follow a run after a cursor; without one, all.", {"run": UUID_TEXT, "after": CURSOR}, ["run"]),
    "unsubscribe": ("Follow it no more.", {"run": UUID_TEXT}, ["run"]),
    "ping": ("Are you there?", {}, []),
}  # fmt: skip
TOLD: dict[str, tuple[str, Schema]] = {
    "hello": (
        "The first word. `hb_ms`: between two heartbeats of a run.",
        {"hb_ms": WHOLE, "limits": {"type": "object", "additionalProperties": WHOLE}},
    ),
    "subscribed": (
        "Where the run's events begin, and how far its log has come.",
        {"run": UUID_TEXT, "from": WHOLE, "head": WHOLE, "epoch": WHOLE, "full": {"type": "boolean"}},
    ),
    "pong": ("Yes.", {}),
}
# Who may open a stream, and by what. The log of a share link is opened by its address.
SECURITY: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API token with the scope `read`."},
    "session": {"type": "httpApiKey", "in": "cookie", "name": "sessionid", "description": "A page of ours."},
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "One stream, within a minute.",
    },
    "basic": {"type": "http", "scheme": "basic", "description": "Name and password; not on the socket."},
}
FOLLOW = "Tell the log of a run, then what happens."
ON_SOCKET = ["bearer", "session", "ticket"]
ON_BOTH = ("caught_up", "hb", "gap", "end", "reset", "error")


def asyncapi_document() -> dict[str, Any]:
    by_type, schemas = data_schemas()
    events = {
        f"event.{name}": _message(
            name, f"{_words(kind.__doc__)} {AUDIENCES[kind.AUDIENCE]}".strip(), envelope_schema(kind, by_type[name])
        )
        for name, kind in sorted(TYPES.items())
    }  # fmt: skip
    controls = {
        f"control.{name}": _message(name, words, control_schema(name, members))
        for name, (words, members) in CONTROLS.items()
    }
    for_all = [f"event.{name}" for name, kind in sorted(TYPES.items()) if kind.AUDIENCE == Audience.PUBLIC]
    said, told = _said(), _told()
    told["socket.event"] = _message(
        "event", "An event of a run, as it is on every other way.", _wrapped(events)
    )
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Longhaul",
            "version": "1",
            "description": "How a run is followed: one log, one cursor, on server-sent events, NDJSON and WebSocket.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "run": _run_channel([*events, *controls]),
            "shared": _shared_channel([*for_all, *controls]),
            "socket": _socket_channel([*said, *told]),
        },
        "operations": {
            "followRun": _operation("send", "run", [*events, *controls], FOLLOW, by=list(SECURITY)),
            "followShared": _operation("send", "shared", [*for_all, *controls], FOLLOW),
            "hearSocket": _operation("receive", "socket", list(said), "Take what a client says.", by=ON_SOCKET),
            "tellSocket": _operation("send", "socket", list(told), "Tell the logs that it follows.", by=ON_SOCKET),
        },
        "components": {
            "messages": {**events, **controls, **said, **told},
            "schemas": {**schemas, **problem.pop("$defs", {}), "Problem": problem},
            "securitySchemes": SECURITY,
        },
    }  # fmt: skip


def _said() -> dict[str, Schema]:
    return {
        f"client.{name}": _message(
            name, words, {**control_schema(name, members), "required": ["type", *required]}
        )
        for name, (words, members, required) in SAID.items()
    }


def _told() -> dict[str, Schema]:
    own = {
        f"socket.{name}": _message(name, words, control_schema(name, members))
        for name, (words, members) in TOLD.items()
    }
    of_runs = {
        f"socket.{name}": _message(
            name, CONTROLS[name][0], control_schema(name, {"run": UUID_TEXT, **CONTROLS[name][1]})
        )
        for name in ON_BOTH
    }
    words, members = CONTROLS["bye"]  # said once a socket, of no run
    return {**own, **of_runs, "socket.bye": _message("bye", words, control_schema("bye", members))}


def _wrapped(events: dict[str, Schema]) -> Schema:
    any_event = {"anyOf": [{"$ref": f"#/components/messages/{name}/payload"} for name in events]}
    return control_schema("event", {"event": any_event})


def _message(name: str, words: str, payload: Schema) -> Schema:
    return {"name": name, "summary": words, "payload": payload}


def _words(doc: str | None) -> str:
    """The first sentence of a docstring, if it has one."""
    return " ".join((doc or "").split())


def _run_channel(messages: list[str]) -> Schema:
    return {
        "address": "/api/v1/runs/{run}/events",
        "description": "Server-sent events: `id` is the cursor, events have no `event:` name, controls are named "
        "`control`. NDJSON (`?follow=1` goes on until the end): one event or control a line.",
        "parameters": {"run": {"description": "id of the run"}},
        "messages": _references(messages),
    }


def _shared_channel(messages: list[str]) -> Schema:
    return {
        "address": "/api/v1/shared/{secret}/events",
        "description": "The same for whoever has a share link: what is public. Items come with its scope `items`.",
        "parameters": {"secret": {"description": "of the link"}},
        "messages": _references(messages),
    }


def _socket_channel(messages: list[str]) -> Schema:
    header = {"type": "object", "properties": {"Sec-WebSocket-Protocol": {"const": "runs.v1.json"}}}
    return {
        "address": "/ws/v1",
        "description": "Any number of runs on one socket. Verbs go by HTTP only.",
        "messages": _references(messages),
        "bindings": {"ws": {"method": "GET", "headers": header, "bindingVersion": "0.1.0"}},
    }


def _operation(
    action: str, channel: str, messages: list[str], words: str, *, by: Sequence[str] = ()
) -> Schema:
    """by: any one of these names of SECURITY; none: it is open to all."""
    security = [{"$ref": f"#/components/securitySchemes/{name}"} for name in by]
    return {
        **({"security": security} if security else {}),
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": words,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _references(messages: list[str]) -> Schema:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
