"""The door of mitmweb: whoever has the token may come in, and no other site's page.

mitmproxy 12 asks for a password itself, 11.0 lets everybody in. This door is the same before both.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

_OWN_NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.ASCII)
"""The hosts by which a browser may name this machine. Another name is one that somebody's DNS has led here."""

_SECONDS = 24 * 3600 * 30


class Door(Router):
    """Stands before mitmweb's application.

    The first visit has the token in its address, `/?token=...`, and gets a cookie; a program sends `Authorization:
    Bearer`. Every request must name this machine as its host, and one that a page sends must come from mitmweb's own.
    """

    def __init__(self, rooms: Application, token: str) -> None:
        self._rooms = rooms
        self._token = token
        # Cookies of one host are common to all its ports, so that of each bench has a name of its own.
        self._cookie = f"oxobench-mitmweb-{hashlib.sha256(token.encode()).hexdigest()[:12]}"
        self._porch = Application(log_function=lambda _: None)
        for application in (rooms, self._porch):
            # Addresses have the token in them.
            application.settings["log_function"] = lambda _: None
        rooms.settings["is_valid_password"] = self._is_token

    def find_handler(self, request: HTTPServerRequest, **_: object) -> HTTPMessageDelegate:
        """Who answers a request."""
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        if not _OWN_NAMES.fullmatch(host):
            return self._refuse(request, f"mitmweb is reached as 127.0.0.1 or localhost, not as {host[:100]!r}.")
        if origin is not None and origin != f"http://{host}":
            return self._refuse(request, "mitmweb takes no requests from other sites' pages.")
        given = request.query_arguments.get("token", [b""])[-1].decode("utf-8", "replace")
        if request.method == "GET" and request.path == "/" and self._is_token(given):
            return self._porch.get_handler_delegate(request, _Welcome, {"cookie": self._cookie, "token": self._token})
        if not self._may_enter(request):
            return self._refuse(request, "mitmweb needs its token: open the whole address that was printed, once.")
        # What mitmproxy 12 asks for.
        request.headers["Authorization"] = f"Bearer {self._token}"
        return self._rooms.find_handler(request)

    def _may_enter(self, request: HTTPServerRequest) -> bool:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer):
            return True
        cookie = request.cookies.get(self._cookie)
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _refuse(self, request: HTTPServerRequest, why: str) -> HTTPMessageDelegate:
        return self._porch.get_handler_delegate(request, _Refusal, {"why": why})


class _Welcome(RequestHandler):
    """Gives the cookie, and takes the token out of the address."""

    def initialize(self, cookie: str, token: str) -> None:
        self._cookie = cookie
        self._token = token

    def get(self) -> None:
        self.set_cookie(self._cookie, self._token, max_age=_SECONDS, httponly=True, samesite="Strict")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.redirect("/")


class _Refusal(RequestHandler):
    """Says why not."""

    def initialize(self, why: str) -> None:
        self._why = why

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._why}\n")
