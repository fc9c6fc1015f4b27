"""Which processes take part, and with which apps."""

from benchmarks.children import Child
from benchmarks.servers import Servers

OUTBOX_ALONE = "benchmarks.relay.settings"
# A relay has all of Longhaul in its memory, as in a worker; the others need not, and start sooner.
WHOLE = "config.settings"


def start(room: str, servers: Servers, database: str) -> Child:
    """`room`: the module here whose COMMANDS it serves."""
    settings = WHOLE if room == "relaying" else OUTBOX_ALONE
    environment = servers.environment(database, settings=settings)
    return Child(f"benchmarks.relay.{room}", environment, servers.folder / f"{room}-{database}.log")
