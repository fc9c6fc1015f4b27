"""What all pages of this admin share: nothing is changed by hand, and no table is ever counted to its end."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from workflows.admin.conf import conf

Row = TypeVar("Row", bound=Model)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator[Any]
else:
    # The classes themselves take no type argument when the program runs.
    from typing import Generic

    class _ModelAdmin(admin.ModelAdmin, Generic[Row]):
        pass

    _Paginator = Paginator


class CappedPaginator(_Paginator):
    """Counts up to a limit: on a table of millions an exact COUNT(*) costs more than the page itself."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: conf().admin_count_max].count()
        return len(rows)

    @property
    def is_capped(self) -> bool:
        """Whether there may be more rows than `count` says."""
        return self.count >= conf().admin_count_max


class ReadOnlyAdmin(_ModelAdmin[Row]):
    """Rows are looked at here. States change through services only, which guard, audit and announce."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_form_template = "admin/workflows/change_form.html"

    @property
    def list_per_page(self) -> int:  # type: ignore[override]  # read late, like every setting
        return conf().admin_page_size

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})
