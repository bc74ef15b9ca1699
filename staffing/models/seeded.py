"""What `seed` has made."""

from django.db import models


class Seeded(models.Model):
    """What seeding has ever made. It makes nothing a second time, so that what an administrator removed stays away."""

    retention = "kept: no person"

    key = models.CharField(max_length=200, unique=True)

    def __str__(self) -> str:
        return self.key
