"""Real Chromium, shut away from everything but this machine; what a page must never do fails the test."""

import os
import shutil
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, Playwright

# What Playwright switches off by itself, and this flag would switch on again; then the browser's own popups under the
# address bar: for each window a process of its own, which took three quarters of the time that a new page takes.
OFF = [
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
]
HERE = ("127.0.0.1", "localhost", "[::1]", "::1")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(OFF)}",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
# Said in the console, where `Watch` hears it: the browser's own line does not come for every kind of violation.
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error("Content Security Policy: " + event.effectiveDirective + " " + event.blockedURI + " " + event.sample));
"""
TIMEOUT = 45_000  # milliseconds; the longest a test waits for something to appear


def executable() -> str | None:
    """Chromium of this machine; None lets Playwright take its own."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


async def launch(playwright: Playwright) -> Browser:
    # Playwright switches the back/forward cache off; with that a test of Back would prove nothing.
    return await playwright.chromium.launch(executable_path=executable(), args=FLAGS, ignore_default_args=["--disable-back-forward-cache"])


class Watch:
    """What the pages of one context did that they must not: a script failed, the policy was broken, somebody else was asked."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.leaving_to: set[str] = set()

    def allow(self, address: str) -> None:
        """A page may go to this address outside (the target of the quick exit)."""
        self.leaving_to.add(urlsplit(address).hostname or "")

    async def on(self, context: BrowserContext) -> None:
        context.set_default_timeout(TIMEOUT)
        await context.add_init_script(TELL_VIOLATIONS)
        context.on("request", lambda request: self._asked(request.url))
        context.on("page", self._opened)

    def _opened(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on("console", lambda message: self._said(message.type, message.text))

    def _asked(self, address: str) -> None:
        self.requests.append(address)
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in (*HERE, *self.leaving_to):
            self.errors.append(f"asked elsewhere: {address}")

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and any(sign in text for sign in ("Content Security Policy", "Trusted Type", "TrustedScript", "TrustedHTML")):
            self.errors.append(text)
