"""What people do: forms become commands, and each can be taken back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agents.console.pages import page
from agents.web.people import require
from agents.web.problems import is_htmx
from schemas.topics import DAY_MS

AT_ONCE = 50
"""Cases that one form may name."""
SNOOZE_DAYS = (1, 3, 7, 14, 30)
OUTCOMES = ("saved", "churned", "no_action", "false_alarm")
VERDICTS = ("useful", "false_alarm", "known", "late")
UNDONE_BY: Mapping[str, str] = {
    "acknowledge": "unacknowledge",
    "snooze": "wake",
    "resolve": "reopen",
    "false_alarm": "reopen",
    "assign": "assign",
}
"""What takes an action back."""
DONE: Mapping[str, str] = {
    "acknowledge": "acknowledged",
    "unacknowledge": "open again",
    "snooze": "snoozed",
    "wake": "awake again",
    "assign": "assigned",
    "comment": "commented on",
    "resolve": "resolved",
    "false_alarm": "closed as a false alarm",
    "reopen": "reopened",
    "expected": "noted as expected",
    "feedback": "judged",
    "step_done": "moved on by a step",
}
_SAYS: Mapping[str, tuple[str, ...]] = {
    "snooze": ("note",),
    "comment": ("note",),
    "expected": ("note",),
    "assign": ("assignee",),
    "resolve": ("outcome",),
    "feedback": ("verdict", "alert_id"),
    "step_done": ("play_id",),
}
"""Fields of the form that belong to an action; the others are there for other actions."""


async def act(request: Request) -> Response:
    """`POST /act`: sends a command for each case that the form names, and goes back to where it came from."""
    who = require(request, "operator")
    form = await request.form(max_files=0)
    cases = [str(each) for each in form.getlist("case")][:AT_ONCE]
    action = str(form.get("action", ""))
    if not cases:
        raise HTTPException(422, "choose a case first")
    if action not in DONE:
        raise HTTPException(422, "there is no such action")
    commands = [_command(action, case, form) for case in cases]
    await run_in_threadpool(_send, request, who, commands)
    return _done(request, form, action, cases)


async def pulse(request: Request) -> Response:
    """`POST /pulse`: sends what a person feels about an account, 1 to 5."""
    who = require(request, "operator")
    form = await request.form(max_files=0)
    score = str(form.get("score", ""))
    if score not in {"1", "2", "3", "4", "5"}:
        raise HTTPException(422, "a pulse is 1 to 5")
    note = str(form.get("note", "")) or None
    sender = request.app.state.sender
    await run_in_threadpool(sender.pulse, who, str(form.get("account", "")), float(score), note)
    return RedirectResponse(_back(form), 303)


def _send(request: Request, who: Any, commands: Sequence[Mapping[str, Any]]) -> None:
    for command in commands:
        request.app.state.sender.send(who, command)


def _command(action: str, case: str, form: FormData) -> dict[str, Any]:
    if action == "false_alarm":
        return {"action": "resolve", "case_id": case, "outcome": "false_alarm"}
    command: dict[str, Any] = {"action": action, "case_id": case}
    command |= {name: str(form[name]) for name in _SAYS.get(action, ()) if form.get(name)}
    now_ms = time.time_ns() // 1_000_000
    if action == "snooze":
        command["until"] = now_ms + _days(form) * DAY_MS
    if action == "expected":
        command |= {"since": now_ms, "until": now_ms + _days(form) * DAY_MS}
    return command


def _days(form: FormData) -> int:
    text = str(form.get("days", ""))
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 365):
        raise HTTPException(422, "days: must be between 1 and 365")
    return int(text)


def _done(request: Request, form: FormData, action: str, cases: Sequence[str]) -> Response:
    """A note of what was done, with the way to take it back."""
    back = _back(form)
    if is_htmx(request):
        return page(request, "toast", done=action, cases=cases, back=back, **TOLD)
    address, _, query = back.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(("done=", "case="))]
    told = urlencode([("done", action), *(("case", each) for each in cases)])
    return RedirectResponse(f"{address}?{'&'.join([*kept, told])}", 303)


def toast_of(request: Request) -> dict[str, Any]:
    """What a page says of the action before it."""
    done = request.query_params.get("done")
    known = done if done in DONE else None
    return {"done": known, "cases": request.query_params.getlist("case")[:AT_ONCE], "back": request.url.path, **TOLD}


TOLD = {"done_words": DONE, "undone_by": UNDONE_BY}


def _back(form: FormData) -> str:
    """The page of ours that the form was on."""
    back = str(form.get("back", "/inbox"))
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/inbox"
