"""The harness's consumer: what it is told becomes a line of a ledger that would take each event any number of times."""

from django.db import connection

from outbox.consumer import Event, consumer

LEDGER = "ledger"
TABLE = "CREATE TABLE IF NOT EXISTS faults_ledger (line bigserial, run uuid, epoch bigint, seq bigint, event uuid)"


@consumer(LEDGER, start="now")
def write_line(event: Event) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO faults_ledger (run, epoch, seq, event) VALUES (%s, %s, %s, %s)",
            [event.stream, event.epoch, event.seq, event.id],
        )
