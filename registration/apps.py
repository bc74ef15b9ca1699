from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from chat.models import Conversation
    from staffing.models import Employee


class RegistrationConfig(AppConfig):
    name = "registration"
    verbose_name = _("Registrations")

    def ready(self) -> None:
        from chat import signals
        from registration.models import Registration

        def accepted(sender: object, *, conversation: "Conversation", by: "Employee", at: datetime, **kwargs: Any) -> None:
            Registration.objects.follow(conversation=conversation, by=by, at=at)

        signals.accepted.connect(accepted, weak=False, dispatch_uid="registration")
