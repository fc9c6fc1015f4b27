"""Every HTTP address. The socket's is in `config/asgi.py`."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from config import health

admin.site.site_header = admin.site.site_title = "Longhaul"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    # Browsers ask for it on pages that name no icon, the admin's among them.
    path("favicon.ico", RedirectView.as_view(url=static("streaming/icon.svg"))),
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("api/v1/", include("workflows.api.urls")),
    path("", include("documents.pages")),
    path("", include("documents.urls")),
    path("", include("workflows.pages.urls")),
]
