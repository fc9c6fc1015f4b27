"""An envelope as a CloudEvent 1.0 in structured mode, for whoever is no client of ours. Pure.

envelope        CloudEvent
id              id          (unchanged over all tries)
run             source      `/runs/<id>`
type            type        `dev.longhaul.step.completed.v1`: prefix, type, version of the envelope
step, attempt   subject     `write/2`
time            time
seq             sequence    20 digits, so that text order is number order
data            data
                epoch       20 digits, only above 1: the database was restored, and numbers began anew
"""

from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/cloudevents+json"
DIGITS = 20


def cloud_event(
    envelope: Mapping[str, Any], *, epoch: int = 1, source: str, type_prefix: str
) -> dict[str, Any]:
    """source: stands before the run's id, `/runs`. type_prefix: reverse DNS, `dev.longhaul`."""
    event = {
        "specversion": "1.0",
        "id": envelope["id"],
        "source": f"{source.rstrip('/')}/{envelope['run']}",
        "type": f"{type_prefix}.{envelope['type']}.v{envelope['v']}",
        "time": envelope["time"],
        "datacontenttype": "application/json",
        "sequence": f"{envelope['seq']:0{DIGITS}}",
        "data": envelope["data"],
    }
    if subject := "/".join(str(envelope[name]) for name in ("step", "attempt") if name in envelope):
        event["subject"] = subject
    if epoch != 1:
        event["epoch"] = f"{epoch:0{DIGITS}}"
    return event
