from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers the checks once the apps are there


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin with our own site: see config/admin_site.py."""

    default = False
    default_site = "config.admin_site.OversightSite"
