"""JSON that a person writes, in a shell or in a form: as its standard has it, and no deeper than Python reads."""

import json
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput


def read_json(text: str) -> Any:
    """Raises ValueError, also for nesting too deep, numbers too long, and NaN."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError(str(error)) from error


class JSONField(forms.JSONField):
    """Whatever `read_json` does not read is a fault of the field."""

    def to_python(self, value: Any) -> Any:
        if self.disabled or value in self.empty_values or not isinstance(value, str):
            return super().to_python(value)
        try:
            return read_json(value)
        except ValueError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Shown again as it was written: written anew, it may hold characters that no page can be sent with."""
        if self.disabled or data is None:
            return super().bound_data(data, initial)
        return InvalidJSONInput(data)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is a number in Python only")
