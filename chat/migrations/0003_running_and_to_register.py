from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Whatever a look reads stands in an index of its own, which stays as small as what runs, however many have ended."""

    dependencies = [("chat", "0002_interrupted_and_passed_on")]

    operations = [
        migrations.AddIndex("conversation", models.Index(fields=["holder"], name="running_chats", condition=Q(state="active"))),
        migrations.AddIndex(
            "conversation",
            models.Index(fields=["holder"], name="chats_to_register", condition=Q(state="ended", registered_at=None)),
        ),
        migrations.RemoveIndex("conversation", "held_chats"),
    ]
