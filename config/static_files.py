"""WhiteNoise for the addresses of static files only.

It knows no asynchronous chain: in the middle of one, it would keep a thread of each request for as long as the view
takes, and a view that waits for news takes a minute.
"""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from whitenoise.middleware import WhiteNoiseMiddleware

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def static_files(get_response: Answer) -> Answer:
    files = WhiteNoiseMiddleware(lambda request: None)  # None: there is no such file

    def may_be_one(request: HttpRequest) -> bool:
        return request.path_info.startswith(str(settings.STATIC_URL))

    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            file = await sync_to_async(files)(request) if may_be_one(request) else None
            return cast(HttpResponseBase, await get_response(request) if file is None else file)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        file = files(request) if may_be_one(request) else None
        return cast(HttpResponseBase, get_response(request) if file is None else file)

    return answer
