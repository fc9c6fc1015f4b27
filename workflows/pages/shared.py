"""The page of a share link: the progress page, with nothing on it that does anything."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from workflows.pages.views import show
from workflows.principals import by_link


@require_safe
@never_cache
def shared_page(request: HttpRequest, secret: str) -> HttpResponse:
    """For whoever has the address, signed in or not: they see what the link shows."""
    holder = by_link(secret)
    if holder is None or holder.run_id is None:
        raise Http404
    page = show(request, holder.run_id, principal=holder)
    # The address is the key: it is not for search engines, nor for the sites that a reader goes on to.
    page["X-Robots-Tag"] = "noindex, nofollow"
    page["Referrer-Policy"] = "same-origin"
    return page
