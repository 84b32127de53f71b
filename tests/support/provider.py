"""A small OIDC provider that signs in whoever asks: real codes, PKCE, RS256 and keys, on the loopback address."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from typing import Any, Self
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.servers.ports import free_port
from tests.support.patience import wait_until

CLIENT_ID, CLIENT_SECRET = "foreshock-console", "provider-secret-5512"


class Provider:
    """Context manager; `claims` are those of the person at the browser, `wrong` is what is done badly."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "u-1", "preferred_username": "ann", "email": "ann@example.org"}
        self.wrong: dict[str, Any] = {}
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self._key, self._other = (RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}) for _ in range(2))
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._configuration),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/jwks", self._jwks),
        ]
        port = int(self.issuer.rpartition(":")[2])
        self._server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_config=None))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started, lambda: "the provider does not start", 30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _configuration(self, _: Request) -> Response:
        ends = {
            f"{name}_endpoint": f"{self.issuer}/{path}"
            for name, path in (("authorization", "authorize"), ("token", "token"))
        }
        return JSONResponse(
            {
                "issuer": self.wrong.get("iss", self.issuer),
                **ends,
                "jwks_uri": f"{self.issuer}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def _jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if (
            asked["client_id"] != CLIENT_ID
            or asked["code_challenge_method"] != "S256"
            or asked["response_type"] != "code"
        ):
            return Response(status_code=400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self._codes.pop(str(form.get("code")), None)
        secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        if (
            asked is None
            or request.headers.get("authorization") != f"Basic {secret}"
            or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]
            or form.get("redirect_uri") != asked["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        key = self._other if self.wrong.get("key") else self._key
        wrong = {name: value for name, value in self.wrong.items() if name != "key"}
        token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims | self.claims | wrong, key)
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": token})
