"""The sections of the console: where it listens, and who may do what there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from sinks.section import Conflict, Names, Section, is_loopback


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        message = "must be https://HOST, without a path"
        raise ValueError(message)
    return text.rstrip("/")


class Console(Section):
    """The console and its API: `foreshock console`."""

    host: str = Field("127.0.0.1", description="Address to listen on; elsewhere only with a sign-in.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8420, description="Port; 0 takes any free one.")
    public_url: Annotated[str, AfterValidator(_address)] | None = Field(
        None,
        description="Address for people and links, as https://foreshock.example.org; needed beyond this machine.",
    )
    proxy: str | None = Field(None, description="Address of the proxy whose X-Forwarded headers are believed.")

    @property
    def secure(self) -> bool:
        """Whether people come by HTTPS."""
        return (self.public_url or "").startswith("https:")

    def conflicts(self) -> Iterator[Conflict]:
        """Beyond this machine without an address of its own, or unencrypted."""
        if not is_loopback(self.host) and self.public_url is None:
            yield "public_url", f"is needed to listen on {self.host}"
        if self.public_url is not None and not self.secure and not is_loopback(str(urlsplit(self.public_url).hostname)):
            yield "public_url", "must begin with https:// unless it is this machine"


class Access(Section):
    """Who may see and do what in the console."""

    sign_in: Literal["none", "local", "oidc"] = Field(
        "none",
        description="none: everyone on this machine is its operator; "
        "local: users of `foreshock access`; oidc: a provider.",
    )
    session_secret: SecretStr | None = Field(
        None, min_length=32, description="Signs sessions; without it a restart ends all of them."
    )
    idle_minutes: Annotated[int, Field(ge=1, le=1_440)] = Field(
        60, description="A session that is not used for so long ends."
    )
    session_hours: Annotated[int, Field(ge=1, le=168)] = Field(12, description="Longest time of a session.")
    user: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="Author of commands of the command line; else the name of who runs it."
    )
    issuer: str | None = Field(None, description="Issuer of the OIDC provider, its address.")
    client_id: str | None = Field(None, description="Client id at the provider.")
    client_secret: SecretStr | None = Field(None, description="Client secret, if the provider has given one.")
    oidc_scopes: Names = Field(("openid", "profile", "email"), description="Scopes to ask the provider for.")
    name_claim: str = Field("preferred_username", description="Claim with a person's name here.")
    owner_claim: str = Field("email", description="Claim with the owner that a person's accounts have in profiles.")
    roles_claim: str = Field("groups", description="Claim whose values decide the role.")
    viewers: Names = Field((), description="Values of that claim that make a viewer.")
    operators: Names = Field((), description="Values of that claim that make an operator.")
    admins: Names = Field((), description="Values of that claim that make an admin.")
    accounts: Literal["own", "team", "all"] = Field(
        "own", description="Accounts that people of the provider see: by owner, of their team, or all; admins see all."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """A provider that is half set up."""
        if self.sign_in != "oidc":
            return
        if self.issuer is None:
            yield "issuer", "is needed when access.sign_in is oidc"
        elif not self.issuer.startswith("https://") and not is_loopback(str(urlsplit(self.issuer).hostname)):
            yield "issuer", "must begin with https://"
        if not self.client_id:
            yield "client_id", "is needed when access.sign_in is oidc"
        if not (self.viewers or self.operators or self.admins):
            yield "viewers", "nobody could sign in: name values for viewers, operators or admins"
