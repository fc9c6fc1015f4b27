"""HTTP, sockets and the life of the web process. Here the gateway gets what it must know of runs."""

import os
from typing import Any, cast

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def build() -> ProtocolTypeRouter:
    http = get_asgi_application()  # sets up Django: what follows imports models

    from config.lifespan import Lifespan
    from config.logging import configure_logging
    from documents.body_limit import Application, BodyLimit
    from streaming.gateway import DRAIN, RunSocket, SendLimit
    from workflows import telemetry
    from workflows.access import check_access, principal_of_scope
    from workflows.entrance.sockets import SocketEntrance

    configure_logging()
    socket = RunSocket.as_asgi(access=check_access, identify=principal_of_scope)
    sockets = URLRouter([path("ws/v1", cast(Any, socket))])
    by_session = AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))
    return ProtocolTypeRouter(
        {
            "http": SendLimit(BodyLimit(cast(Application, http))),
            "websocket": SocketEntrance(sockets, by_session=by_session),
            "lifespan": Lifespan(DRAIN.begin, flush=telemetry.flush),
        }
    )


application = build()
