"""The items of a run as its events tell them: what a client holds who follows the log. Pure; twin in run-items.js."""

from collections.abc import Iterable, Mapping
from typing import Any

# Step name → index → `{"index", "key", "type", "value"}`.
Items = dict[str, dict[int, dict[str, Any]]]


def fold_items(items: Items, event: Mapping[str, Any]) -> Items:
    """Move `items` on by one event, an envelope as every transport carries it. Changes and returns `items`.

    Apply each event once and in order of `seq`. Types that are not about items change nothing.
    """
    data = event.get("data") or {}
    held = items.setdefault(event.get("step") or "", {})
    match event.get("type"):
        case "item.committed":
            held[data["index"]] = dict(data)
        case "item.replaced":
            before = held.get(data["index"], {})
            # How the earlier content came to be says nothing of this one.
            held[data["index"]] = {name: before[name] for name in before if name != "repaired"} | dict(data)
        case "item.retracted":
            held.pop(data["index"], None)
        case "items.reset":
            for index in [index for index in held if index > data["keep_through"]]:
                del held[index]
    return items


def items_of(events: Iterable[Mapping[str, Any]]) -> Items:
    """The items after a whole log, from its first event."""
    items: Items = {}
    for event in events:
        fold_items(items, event)
    return {step: dict(sorted(held.items())) for step, held in items.items() if held}
