"""Who gets alarms, real and small, on loopback: a mail server and a hook, each as unwilling as a test wants it."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to get a mail away."""

    server: "MailServer"

    def handle(self) -> None:
        if self.server.silent:
            self.server.released.wait()
            return
        self.says("220 here")
        receivers: list[str] = []
        while line := self.rfile.readline().decode().strip():
            match line.split(":")[0].upper().split()[0]:
                case "EHLO" | "HELO":
                    self.says("250 here")
                case "RCPT" if self.server.refuses:
                    self.says("550 nobody of that name")
                case "RCPT":
                    receivers.append(line.split("<")[1].rstrip(">"))
                    self.says("250 ok")
                case "DATA":
                    self.says("354 go on")
                    text = b""
                    while (more := self.rfile.readline()) != b".\r\n":
                        text += more
                    self.server.arrived.append((receivers, message_from_bytes(text)))
                    self.says("250 ok")
                case "QUIT":
                    self.says("221 bye")
                    return
                case _:
                    self.says("250 ok")

    def says(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """`arrived` holds receivers and mail, in order. `refuses`: takes no receiver. `silent`: takes the call and says nothing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.arrived: list[tuple[list[str], Message]] = []
        self.refuses = self.silent = False
        self.released = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Hook(BaseHTTPRequestHandler):
    server: "HookServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.answer == 200:
            self.server.arrived.append(body)
        self.server.asked += 1
        self.send_response(self.server.answer)
        self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *args: Any) -> None:
        pass


class HookServer(ThreadingHTTPServer):
    """`arrived` holds what was posted and taken, in order; `answer` is the status that it answers with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.arrived: list[dict[str, Any]] = []
        self.answer, self.elsewhere, self.asked = 200, "/", 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alarm"


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, MailServer):
            server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
