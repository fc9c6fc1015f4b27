"""Every HTTP address. The socket's is in `config/asgi.py`."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from config import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("api/v1/", include("workflows.api.urls")),
    path("", include("documents.pages")),
    path("", include("documents.urls")),
    path("", include("workflows.pages.urls")),
]
