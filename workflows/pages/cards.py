"""An item as its card shows it, and any JSON value as a person reads it. Pure; twins in run-stream.js."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Fields of an item that have a place of their own on its card; any other field becomes a labelled row.
PLACED = frozenset({"kind", "value", "page", "quote"})
ROLES = PLACED | {"title", "name"}


@dataclass(frozen=True, kw_only=True)
class CardPainter:
    """words: of `workflows.pages.words`. labels: of an item's fields."""

    words: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)

    def card(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """An item as its card shows it. fields: each as text, empty when there is nothing to say; more: the rest."""
        value = item["value"]
        names = [*self.labels, *sorted(set(value) - set(self.labels))]
        fields = {name: self.text(value.get(name)) for name in names}
        kind = fields.get("kind", "")
        fields["kind_label"] = label(kind, {})
        named = next(
            (name for name in ("title", "name", *names) if fields.get(name) and name not in PLACED), ""
        )
        fields["title"] = fields.get(named, "")
        if fields.get("page"):
            fields["page"] = self.words["page"].format(page=fields["page"])
        more = [
            (label(name, self.labels), fields[name])
            for name in names
            if name not in {*ROLES, named} and fields[name]
        ]
        place = {name: item[name] for name in ("step", "index", "key")}
        return {**place, "kind": kind, "fields": fields, "more": more}

    def text(self, value: Any) -> str:
        """Any JSON value as a person reads it."""
        match value:
            case None:
                return ""
            case bool():
                return str(self.words["yes" if value else "no"])
            case str():
                return value
            case float() if value.is_integer():
                return str(int(value))
            case list() if not any(isinstance(entry, dict | list) for entry in value):
                return ", ".join(self.text(entry) for entry in value)
            case list() | dict():
                return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return str(value)


def label(name: str, labels: Mapping[str, str]) -> str:
    """`due_date` -> "Due date", unless the model names it otherwise."""
    plain = name.replace("_", " ").strip()
    return labels.get(name) or plain[:1].upper() + plain[1:]


def plural(noun: str) -> str:
    """Enough English for class names: finding -> findings, party -> parties."""
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
