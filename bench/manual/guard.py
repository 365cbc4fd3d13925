"""Who may use the page's server: whoever has its token, and no page of another site that the same browser shows.

A page elsewhere could send requests to a server on loopback: by its address, or by a name of its own that points there
(DNS rebinding). The browser says in `Host`, `Origin` and `Sec-Fetch-Site` where a request comes from, and with one from
elsewhere it sends no cookie of `SameSite=Strict`. Another server on the same machine counts as the same site, so the
cookie alone would not do.
"""

from __future__ import annotations

import secrets

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

OPEN_THE_ADDRESS = "Open the address that `./oxobench up` has printed, or that `./oxobench status` prints."

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says: run nothing that is not the page's own, keep nothing, let nobody frame it."""
    response.headers.update(_HEADERS)


def guard(token: str, port: int) -> Middleware:
    """Checks each request before its handler sees it.

    The page itself, opened with the right token in its address, gives the browser a cookie; from then on that cookie is
    asked for, or the header `Authorization: Bearer`.
    """
    cookie = f"oxobench-{port}"  # browsers keep cookies by host name, and send them to each of its ports

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = _host(request, port)
        _same_origin(request, host)
        if request.path == "/" and "token" in request.query:
            if not _is(request.query["token"], token):
                raise web.HTTPUnauthorized(text=f"The token in this address is not this bench's. {OPEN_THE_ADDRESS}")
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
            raise answer
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        shown = bearer if scheme.lower() == "bearer" else request.cookies.get(cookie, "")
        if not _is(shown, token):
            raise web.HTTPUnauthorized(text=f"This bench does not know you. {OPEN_THE_ADDRESS}")
        return await handler(request)

    return check


def _is(shown: str, token: str) -> bool:
    return secrets.compare_digest(shown.encode("utf-8", "surrogateescape"), token.encode())


def _host(request: web.Request, port: int) -> str:
    """The name that the browser reached the server by, which must be one of loopback's own."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or hosts[0].lower() not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        raise web.HTTPMisdirectedRequest(text=f"This is http://127.0.0.1:{port}/ and goes by no other name.")
    return hosts[0].lower()


def _same_origin(request: web.Request, host: str) -> None:
    """Refuses what a page from elsewhere has sent. A link to the page itself may stand anywhere."""
    origins = request.headers.getall("Origin", [])
    site = request.headers.get("Sec-Fetch-Site", "none")
    opened = request.path == "/" and request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if any(origin.lower() != f"http://{host}" for origin in origins):
        raise web.HTTPForbidden(text="Another site's page cannot operate this bench.")
    if site not in ("none", "same-origin") and not opened:
        raise web.HTTPForbidden(text="Another site's page cannot operate this bench.")
