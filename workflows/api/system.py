"""`GET /api/v1/system`: for a health page, and for whoever watches over many services."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outbox.clock import CLOCK
from outbox.models import Audience
from outbox.report import FromDatabase, FromRedis
from workflows.api.authentication import principal
from workflows.selectors import moment
from workflows.system import COUNT_MAX, Stuck, System, read_system


class SystemStatus(APIView):
    def get(self, request: Request) -> Response:
        """Queues, workers, relay, and what is stuck; for staff. 200 also when something is wrong: see `troubles`."""
        if principal(request).audience != Audience.OPERATOR:
            raise PermissionDenied
        return Response(_body(read_system(clock=CLOCK)), headers={"Cache-Control": "no-store"})


def _body(system: System) -> dict[str, Any]:
    troubles = system.troubles()
    database, redis = system.outbox.database, system.outbox.redis
    return {
        "is_well": not troubles,
        "troubles": troubles,
        "live_runs": system.live,
        "queues": system.queues,
        "workers": system.workers,
        "steps_by_holder": system.holders,
        "stuck": None if system.stuck is None else _stuck(system.stuck),
        "relay": {
            "waiting": None if database is None else _waiting(database),
            "published": None if redis is None else _published(redis),
        },
    }


def _stuck(stuck: Stuck) -> dict[str, Any]:
    return {
        "overdue_steps": min(stuck.overdue_steps, COUNT_MAX),
        "is_capped": stuck.overdue_steps > COUNT_MAX,
        "overdue_since": moment(stuck.overdue_since) if stuck.overdue_steps else None,
        "stranded_runs": [str(run) for run in stuck.stranded],
        "missing_code": [
            {"workflow": workflow, "version": version, "step": step, "runs": runs}
            for (workflow, version, step), runs in stuck.missing.items()
        ],
    }


def _waiting(database: FromDatabase) -> dict[str, Any]:
    backlog = database.backlog
    return {
        "streams": backlog.streams,
        "entries": backlog.entries,
        "is_capped": backlog.is_capped,
        "oldest_at": moment(backlog.oldest_at),
        "poisoned_streams": len(database.poison),
        "dead_letters": {letters.consumer: letters.count for letters in database.dead_letters},
        "leases": [
            {"role": lease.role, "shards": len(lease.shards), "until": moment(lease.until), "is_over": lease.is_over}
            for lease in database.leases
        ],
    }  # fmt: skip


def _published(redis: FromRedis) -> dict[str, Any]:
    return {
        "entries_added": redis.entries_added,
        "last_at": moment(redis.last_published_at),
        "tombstones": len(redis.tombstones),
    }
