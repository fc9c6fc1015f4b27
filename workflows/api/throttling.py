"""Too many requests: 429 with Retry-After, as a problem for programs and as a page for people."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from workflows.api.authentication import principal
from workflows.api.problems import plain_problem
from workflows.entrance import limits


class Starts(BaseThrottle):
    """Of views that start runs: their POST counts."""

    def allow_request(self, request: Request, view: object) -> bool:
        """Raises TooOften."""
        if request.method == "POST":
            limits.require(limits.starts(), principal(request))
        return True


class Uploads(BaseThrottle):
    def allow_request(self, request: Request, view: object) -> bool:
        """Raises TooOften."""
        if request.method == "POST":
            limits.require(limits.uploads(), principal(request))
        return True


class TooMany(MiddlewareMixin):
    """Words TooOften wherever no view of the API does: pages, the admin, the log of a run."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if not isinstance(exception, limits.TooOften):
            return None
        seconds = exception.seconds
        answer: HttpResponseBase
        if "text/html" in request.headers.get("Accept", ""):
            answer = render(request, "429.html", {"seconds": seconds}, status=429)
        else:
            answer = plain_problem("rate-limited", f"Too many requests. Wait {seconds} seconds.")
        answer["Retry-After"] = str(seconds)
        return answer
