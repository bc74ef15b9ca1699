"""
The typical Channels application, as tutorials write it: a row through the ORM for each message, a group message to both sides.

`python -m bench.typical PORT DATABASE`, on the same ASGI server as the product, so that only the application differs. One thing is not
as usual: its channel layer keeps many messages, because with the usual 100 it loses some as soon as 500 pairs talk.
"""

import json
import os
import sys

import django
import environ
from django.conf import settings

PORT, DATABASE = int(sys.argv[1]), sys.argv[2]
CAPACITY = 100_000  # messages
REDIS = os.environ.get("REDIS_URL", "")

settings.configure(
    SECRET_KEY="bench",
    INSTALLED_APPS=["channels"],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": environ.Env.db_url_config(DATABASE) | {"CONN_MAX_AGE": None}},
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [{"address": REDIS, "socket_timeout": 60}], "capacity": CAPACITY},
        }
        if REDIS
        else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": CAPACITY}}
    },
)
django.setup()

import uvicorn  # noqa: E402 - Django first
from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import path  # noqa: E402


class Message(models.Model):
    room = models.IntegerField(db_index=True)
    author = models.CharField(max_length=10)
    id_of_client = models.UUIDField()
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "typical"

    def __str__(self) -> str:
        return self.text


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        where = self.scope["url_route"]["kwargs"]
        self.author, self.rooms = where["author"], [int(room) for room in where["rooms"].split(",")]
        for room in self.rooms:
            await self.channel_layer.group_add(f"room_{room}", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        for room in self.rooms:
            await self.channel_layer.group_discard(f"room_{room}", self.channel_name)

    async def receive_json(self, content: dict, **kwargs: object) -> None:
        if content["type"] == "hello":
            for room in self.rooms:
                await self.send_json({"type": "welcome", "conversation": room})
        elif content["type"] == "send":
            room = content.get("conversation") or self.rooms[0]
            message = await database_sync_to_async(Message._default_manager.create)(
                room=room, author=self.author, id_of_client=content["id"], text=content["text"]
            )
            event = {
                "type": "chat.message",
                "sender": self.channel_name,
                "conversation": room,
                "seq": message.pk,
                "id": content["id"],
                "author": self.author,
                "text": message.text,
                "at": message.at.isoformat(),
            }
            await self.channel_layer.group_send(f"room_{room}", event)

    @classmethod
    async def encode_json(cls, content: dict) -> str:
        """Without blanks, as the load generator reads it."""
        return json.dumps(content, separators=(",", ":"))

    async def chat_message(self, event: dict) -> None:
        """To the sender its own message is the receipt."""
        mine = event["sender"] == self.channel_name
        await self.send_json({**event, "type": "ack" if mine else "entry"})


application = ProtocolTypeRouter({"websocket": URLRouter([path("<str:author>/<str:rooms>", Chat.as_asgi())])})

if __name__ == "__main__":
    if Message._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Message)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=PORT,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_level="error",
        backlog=4096,
        timeout_graceful_shutdown=5,
    )
