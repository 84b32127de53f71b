"""E-mail over SMTP. A sent mail cannot be edited: all mails of a case refer to one id, so that they are one thread."""

from __future__ import annotations

import html
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Literal, NoReturn

from pydantic import Field, SecretStr

from sinks.channels.channel import Outgoing, Receiver, clipped, plain
from sinks.errors import ContentRefusedError, SinkUnavailableError
from sinks.posting import DOWN_RETRY_S, SETUP_RETRY_S
from sinks.section import Conflict, Names, is_loopback, revealed

OWNER = "{owner}"
"""In `to`: the address of the person whom the message is for."""
_SUBJECT = 200
_BAD_CONTENT = range(550, 560)
"""Permanent answers to the recipients or the content; the others are about us."""


class EmailReceiver(Receiver):
    """People who are written to through an SMTP server."""

    host: str = Field(min_length=1, description="SMTP server.")
    port: int = Field(587, ge=1, le=65_535, description="Its port.")
    tls: Literal["starttls", "tls", "none"] = Field("starttls", description="none: unencrypted, to this machine only.")
    ca_file: str = Field("", description="Certificates to trust; without it, the system's.")
    username: str = Field("", description="User name, if it asks for one.")
    password: SecretStr | None = Field(None, description="Password of the user.")
    sender: str = Field(min_length=3, description="Address that mails are from.")
    to: Names = Field((OWNER,), description="Addresses; {owner} stands for the person whom a message is for.")

    def conflicts(self) -> Iterator[Conflict]:
        """Unencrypted mail to other machines, or addresses that are none."""
        if self.tls == "none" and not is_loopback(self.host):
            yield "tls", "would send everything unencrypted; use starttls or tls"
        if "@" not in parseaddr(self.sender)[1]:
            yield "sender", "must be an address like foreshock@example.com"
        if not self.to or any(each != OWNER and "@" not in parseaddr(each)[1] for each in self.to):
            yield "to", f"must be addresses like ana@example.com, or {OWNER}"


class Email:
    """Writes one mail a message, over a connection of its own."""

    def __init__(self, receiver: EmailReceiver) -> None:
        self._receiver = receiver

    def send(self, message: Outgoing) -> None:
        """Send a mail; raises as `Channel.send`."""
        receiver = self._receiver
        mail = self.mail(message)
        try:
            with self._connected() as server:
                if receiver.username:
                    server.login(receiver.username, revealed(receiver.password) or "")
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            self._answered(max(code for code, _ in error.recipients.values()))
        except smtplib.SMTPAuthenticationError as error:
            said = f"{receiver.name} refuses the user: {error.smtp_code}"
            raise SinkUnavailableError(said, SETUP_RETRY_S) from None
        except smtplib.SMTPResponseException as error:
            self._answered(error.smtp_code)
        except (smtplib.SMTPException, OSError) as error:
            said = f"{receiver.name} does not answer: {type(error).__name__}"
            raise SinkUnavailableError(said, DOWN_RETRY_S) from None

    def close(self) -> None:
        """Nothing is kept open."""

    def mail(self, message: Outgoing) -> EmailMessage:
        """The mail of a message. Raises ContentRefusedError if it is for nobody."""
        body, receiver = message.body, self._receiver
        owner = body["addressee"]["email"]
        to = [address for each in receiver.to if (address := owner if each == OWNER else each)]
        if not to:
            said = f"{body['addressee']['owner'] or 'a case without an owner'} has no e-mail address in [[people]]"
            raise ContentRefusedError(said)
        domain = parseaddr(receiver.sender)[1].rpartition("@")[2]
        thread = f"<{message.topic_key.translate(_IN_AN_ID)}@{domain}>"
        mail = EmailMessage()
        mail["From"] = receiver.sender
        mail["To"] = ", ".join(to)
        mail["Subject"] = clipped(" ".join(body["title"].split()), _SUBJECT)
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.created_ms / 1000, UTC))
        mail["Message-ID"] = f"<{message.message_id}@{domain}>"
        mail["In-Reply-To"] = mail["References"] = thread
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plain(body))
        mail.add_alternative(_page(body), subtype="html")
        return mail

    def _connected(self) -> smtplib.SMTP:
        receiver = self._receiver
        if receiver.tls == "none":
            return smtplib.SMTP(receiver.host, receiver.port, timeout=receiver.timeout_s)
        context = ssl.create_default_context(cafile=receiver.ca_file or None)
        if receiver.tls == "tls":
            return smtplib.SMTP_SSL(receiver.host, receiver.port, timeout=receiver.timeout_s, context=context)
        server = smtplib.SMTP(receiver.host, receiver.port, timeout=receiver.timeout_s)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server

    def _answered(self, code: int) -> NoReturn:
        if code in _BAD_CONTENT:
            said = f"status {code}"
            raise ContentRefusedError(said)
        said = f"{self._receiver.name} answers with status {code}"
        raise SinkUnavailableError(said, DOWN_RETRY_S if code < 500 else SETUP_RETRY_S)


_IN_AN_ID = {ord(each): "." for each in "<>@:/ \t\r\n"}


def _page(body: Mapping[str, Any]) -> str:
    parts = [f"<h2>{html.escape(body['title'])}</h2>"]
    if body["text"]:
        parts.append(f"<p>{html.escape(body['text'])}</p>")
    rows = (
        f"<tr><th align='left'>{html.escape(label)}</th><td>{html.escape(value)}</td></tr>"
        for label, value in body["facts"]
    )
    parts.append(f"<table>{''.join(rows)}</table>" if body["facts"] else "")
    items = (f"<li>{_link(item['url'], item['title'])}<br>{html.escape(item['text'])}</li>" for item in body["items"])
    parts.append(f"<ul>{''.join(items)}</ul>" if body["items"] else "")
    parts.append(f"<p>{_link(body['url'], 'Open in the console')}</p>" if body["url"] else "")
    return "\n".join(each for each in parts if each)


def _link(url: str | None, text: str) -> str:
    return f'<a href="{html.escape(url)}">{html.escape(text)}</a>' if url else f"<b>{html.escape(text)}</b>"


def open_email(receiver: EmailReceiver) -> Email:
    """The channel to a receiver."""
    return Email(receiver)
