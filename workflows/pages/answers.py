"""The form that answers a wait, made of its JSON Schema; it needs no JavaScript.

Booleans, choices, numbers and texts are plain fields, anything else is written as JSON. The schema's own rules are
checked by the service; `blame()` puts what it says beside the fields.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from workflows.definitions import Wait
from workflows.pages.cards import label
from workflows.strict_json import JSONField

Schema = Mapping[str, Any]

WHOLE = "answer"  # the one field of an answer that is no object
LONG_TEXT = 200  # characters from which a text gets more than one line
BLANK = ("", "—")


class AnswerForm(forms.Form):
    """name, title: of the wait. is_open: whether it waits now."""

    def __init__(
        self, wait: Wait[Any], data: Mapping[str, Any] | None = None, *, is_open: bool = True
    ) -> None:
        super().__init__(data, prefix=f"answer-{wait.name}", label_suffix="")
        self.name, self.title, self.is_open = wait.name, wait.title, is_open
        self._schema: Schema | None = None if wait.schema is None else wait.schema.model_json_schema()
        self._is_object = bool(self._schema and "properties" in self._schema)
        # Fields whose emptiness is said as null, since leaving them out would say something else.
        self._nulls: set[str] = set()
        for name, schema in self._properties().items():
            is_required = self._requires(name)
            self.fields[name] = field_of(name, schema, is_required=is_required)
            if schema.get("nullable") and (is_required or schema.get("default") is not None):
                self._nulls.add(name)

    def _properties(self) -> dict[str, Schema]:
        if self._schema is None:
            return {}
        definitions = self._schema.get("$defs", {})
        if not self._is_object:
            is_empty = self._schema.get("type") == "object" and not self._schema.get("additionalProperties")
            return {} if is_empty else {WHOLE: resolve({**self._schema, "title": _("Answer")}, definitions)}
        return {name: resolve(schema, definitions) for name, schema in self._schema["properties"].items()}

    def _requires(self, name: str) -> bool:
        return not self._is_object or name in (self._schema or {}).get("required", ())

    def answer(self) -> Any:
        """The answer as JSON; None for a wait without a schema. What was left empty is left to the schema's default."""
        if self._schema is None:
            return None
        if WHOLE in self.fields and not self._is_object:
            return self.cleaned_data[WHOLE]
        given = self.cleaned_data.items()
        return {name: value for name, value in given if value is not None or name in self._nulls}

    def blame(self, errors: Iterable[tuple[str, str, str]]) -> None:
        """Show what the service found: pointers, codes and sentences, as of InvalidInput."""
        for pointer, _code, sentence in errors:
            top = pointer.removeprefix("/").partition("/")[0] if self._is_object else WHOLE
            self.add_error(top if top in self.fields else None, sentence)


def resolve(schema: Schema, definitions: Mapping[str, Schema]) -> dict[str, Any]:
    """The schema with its reference followed and its null taken out, which leaves `nullable`: true."""
    known = dict(schema)
    if "$ref" in known:
        known = {**definitions[known.pop("$ref").rpartition("/")[2]], **known}
    options = [option for option in known.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) < len(known.get("anyOf", ())):
        known["nullable"] = True
    if len(options) == 1:
        del known["anyOf"]
        known = {**resolve(options[0], definitions), **known}
    return known


def field_of(name: str, schema: Schema, *, is_required: bool) -> forms.Field:
    """The form field for one resolved property."""
    may_be_null = bool(schema.get("nullable"))
    options: dict[str, Any] = {
        "label": schema.get("title") or label(name, {}),
        "help_text": schema.get("description", ""),
        "required": is_required and not may_be_null,
    }
    default = schema.get("default")
    if "enum" in schema or "const" in schema:
        return _choice(schema, default, options)
    match schema.get("type"):
        case "boolean" if default is None:
            return _yes_or_no(options)
        case "boolean":
            return forms.BooleanField(**{**options, "required": False, "initial": default})
        case "integer":
            return forms.IntegerField(**options, initial=default)
        case "number":
            return forms.FloatField(**options, initial=default)
        case "string":
            return _text(schema, default, options)
    initial = {} if default is None else {"initial": default}
    options["help_text"] = options["help_text"] or _("As JSON.")
    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
    field = JSONField(**options, **initial, widget=widget)
    field.empty_values = [None, ""]  # an empty list is an answer
    return field


def _choice(schema: Schema, default: Any, options: dict[str, Any]) -> forms.Field:
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    choices = [(json.dumps(value), str(value)) for value in values]
    if default is None or schema.get("nullable"):
        choices.insert(0, BLANK)
    initial = "" if default is None else json.dumps(default)
    return forms.TypedChoiceField(
        choices=choices, coerce=json.loads, empty_value=None, initial=initial, **options
    )


def _yes_or_no(options: dict[str, Any]) -> forms.Field:
    """No box that says no until it is ticked: who has not decided has not answered."""
    choices = [("true", _("Yes")), ("false", _("No"))]
    return forms.TypedChoiceField(
        choices=choices, coerce=json.loads, empty_value=None, widget=forms.RadioSelect, **options
    )


def _text(schema: Schema, default: Any, options: dict[str, Any]) -> forms.Field:
    longest = schema.get("maxLength")
    widget: forms.Widget = forms.TextInput()
    if schema.get("format") == "date":
        widget = forms.DateInput(attrs={"type": "date"})
    elif "format" not in schema and (longest is None or longest > LONG_TEXT):
        widget = forms.Textarea(attrs={"rows": 2})
    empty = None if schema.get("nullable") else ""
    return forms.CharField(**options, initial=default, widget=widget, max_length=longest, empty_value=empty)
