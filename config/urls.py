"""Every HTTP address. The socket's is in `config/asgi.py`."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from config import health
from workflows.api.description.asyncapi import asyncapi_document
from workflows.api.description.serving import api_page, openapi_document, serving
from workflows.api.description.stand_ins import described

admin.site.site_header = admin.site.site_title = "Longhaul"

urlpatterns = [
    path("healthz", described(health.healthz), name="healthz"),
    path("readyz", described(health.readyz), name="readyz"),
    # Browsers ask for it on pages that name no icon, the admin's among them.
    path("favicon.ico", RedirectView.as_view(url=static("streaming/icon.svg"))),
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("api/openapi.json", described(serving(openapi_document)), name="openapi"),
    path("api/asyncapi.json", described(serving(asyncapi_document)), name="asyncapi"),
    path("docs/api/", api_page, name="api-page"),
    path("api/v1/", include("workflows.api.urls")),
    path("", include("documents.pages")),
    path("", include("documents.urls")),
    path("", include("workflows.pages.urls")),
]
