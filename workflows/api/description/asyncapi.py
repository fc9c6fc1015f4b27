from typing import Any


def asyncapi_document() -> dict[str, Any]:
    return {}
