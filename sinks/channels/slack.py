"""Slack: an incoming webhook of a channel. It can post and not edit, so each event is a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.channels.channel import HttpChannel, HttpReceiver, Outgoing, clipped, plain

_HEADER, _TEXT, _FIELD, _FIELDS = 150, 2_900, 1_900, 10
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def content(message: Outgoing) -> object:
    """Blocks, and the text of notifications; what accounts and people wrote can neither link nor call anybody."""
    body = message.body
    blocks: list[Mapping[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": clipped(body["title"], _HEADER)}}
    ]
    if body["text"]:
        blocks.append(_section(_escaped(body["text"])))
    if body["facts"]:
        fields = [_mrkdwn(f"*{_escaped(label)}*\n{_escaped(value)}") for label, value in body["facts"][:_FIELDS]]
        blocks.append({"type": "section", "fields": fields})
    blocks += [_section(f"{_linked(item)}\n{_escaped(item['text'])}") for item in body["items"]]
    if body["url"]:
        blocks.append(_section(f"<{_escaped(body['url'])}|Open in the console>"))
    return {"text": clipped(_escaped(plain(body)), _TEXT), "blocks": blocks}


def _section(text: str) -> Mapping[str, Any]:
    return {"type": "section", "text": _mrkdwn(text, _TEXT)}


def _mrkdwn(text: str, most: int = _FIELD) -> Mapping[str, Any]:
    return {"type": "mrkdwn", "text": clipped(text, most)}


def _linked(item: Mapping[str, Any]) -> str:
    title = _escaped(item["title"])
    return f"<{_escaped(item['url'])}|{title}>" if item["url"] else f"*{title}*"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def open_slack(receiver: HttpReceiver) -> HttpChannel:
    """The channel to a receiver."""
    return HttpChannel(receiver.poster(), content)
