"""`/healthz`: this process answers. `/readyz`: so do the database and Redis behind it."""

import redis
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse

from outbox.redis import client


def healthz(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(_: HttpRequest) -> JsonResponse:
    """503 when a part is away. Says which, and nothing more: anyone may ask."""
    parts = {"database": database_answers(), "redis": redis_answers()}
    ready = all(parts.values())
    words = {name: "ok" if answers else "away" for name, answers in parts.items()}
    return JsonResponse({"status": "ok" if ready else "not ready", **words}, status=200 if ready else 503)


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def redis_answers() -> bool:
    try:
        return bool(client().ping())
    except redis.RedisError:
        return False
