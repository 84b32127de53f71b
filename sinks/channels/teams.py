"""Microsoft Teams: the webhook of a workflow that posts Adaptive Cards. It cannot edit, so each event is a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.channels.channel import HttpChannel, HttpReceiver, Outgoing, clipped

_LINE = 1_000
"""A card may have 28 kB."""


def content(message: Outgoing) -> object:
    """A card of runs of text, in which Markdown means nothing: texts of others are shown as they are."""
    body = message.body
    blocks = [_line((body["title"], {"size": "large", "weight": "bolder"}))]
    blocks += [_line((body["text"], {}))] if body["text"] else []
    blocks += [_line((f"{label}: ", {"weight": "bolder"}), (value, {})) for label, value in body["facts"]]
    for item in body["items"]:
        action = {"selectAction": _open(item["title"], item["url"])} if item["url"] else {}
        blocks.append(_line((item["title"], {"weight": "bolder", **action}), (f" {item['text']}", {})))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
        "actions": [_open("Open in the console", body["url"])] if body["url"] else [],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _line(*runs: tuple[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    inlines = [{"type": "TextRun", "text": clipped(text, _LINE), **style} for text, style in runs]
    return {"type": "RichTextBlock", "inlines": inlines}


def _open(title: str, url: str) -> Mapping[str, Any]:
    return {"type": "Action.OpenUrl", "title": clipped(title, 100), "url": url}


def open_teams(receiver: HttpReceiver) -> HttpChannel:
    """The channel to a receiver."""
    return HttpChannel(receiver.poster(), content)
