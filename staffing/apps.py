from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from staffing import clock


class StaffingConfig(AppConfig):
    name = "staffing"
    verbose_name = _("Line")

    def ready(self) -> None:
        if settings.DEMO_AT:
            clock.begin_at(settings.DEMO_AT, settings.STATE_DIR / "demo-clock.json")
