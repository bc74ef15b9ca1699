"""Who has an account, and with which role."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from staffing.models.regions import Region


class Role(models.TextChoices):
    FRONT_OFFICE = "front_office", _("Front Office")
    COORDINATOR = "coordinator", _("Coordinator")
    MANAGER = "manager", _("Team manager")
    ADMINISTRATOR = "administrator", _("National administrator")


class Employee(AbstractUser):
    """Somebody with an account: Front Office, coordinator (process manager), team manager (process owner), national administrator."""

    retention = "kept while employed; then switched off, name kept for the access log"

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField(_("work name"), max_length=60, help_text=_("What a chatter reads. Not necessarily the own name."))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.FRONT_OFFICE)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), null=True, blank=True, related_name="employees")
    maximum = models.PositiveSmallIntegerField(_("conversations at once"), default=3)

    class Meta(AbstractUser.Meta):
        verbose_name = _("employee")  # type: ignore[assignment]
        verbose_name_plural = _("employees")  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name or self.username

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    @property
    def answers_chats(self) -> bool:
        """Front Office and coordinators can be on duty; managers work on figures and registrations."""
        return self.is_active and self.region_id is not None and self.role in (Role.FRONT_OFFICE, Role.COORDINATOR)

    def lock(self) -> None:
        """
        Read this row again under its lock. Lock order: region, employee, conversation, registration.

        Without the key, as everywhere: rows that refer to it are written meanwhile, and nobody waits in the wrong order for that.
        """
        self.refresh_from_db(from_queryset=Employee.objects.select_for_update(of=("self",), no_key=True))
