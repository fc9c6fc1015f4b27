"""An ASGI application with one endless answer, which only `Lifespan` ends."""

import asyncio

from config.lifespan import Lifespan

drained = asyncio.Event()
lifespan = Lifespan(drained.set, flush=lambda: None)


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\n", "more_body": True})
    await drained.wait()
    await send({"type": "http.response.body", "body": b"bye\n"})
    return None
