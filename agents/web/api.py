"""The operations of the JSON API, over the same questions and the same commands as the console."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from agents.web.commands import NEEDS, CommandError, repeatable_id
from agents.web.operations import NO_NUL, Call, Operation
from agents.web.people import NotSeenError
from pipeline.kinds import KINDS
from schemas.event_types import CASE_OUTCOMES, FEEDBACK_VERDICTS
from sinks.database.people import AuditLine, read_audit
from sinks.database.reading import accounts, cases, portfolio, rules
from sinks.database.reading.commands import Command, command
from sinks.database.reading.scope import last_close_ms
from sinks.errors import UnknownAccountError

Short = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]
Text = Annotated[str, Meta(max_length=1_024, pattern=NO_NUL)]
Time = Annotated[int, Meta(description="Epoch milliseconds.", ge=0, le=253_402_300_800_000)]
Found = TypeVar("Found")
METRICS = ("gross_revenue_retention", "net_revenue_retention", "logo_churn", "gross_mrr_churn", "nps", "csat")
"""Figures of the business that are shown."""


def _one_of(words: Iterable[str]) -> Meta:
    """Said in the description; the command's own check refuses others."""
    return Meta(extra_json_schema={"enum": sorted(words)})


class CaseQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which cases."""

    subject: Short | None = None
    severity: Short | None = None
    kind: Annotated[Short, Meta(description="Of the lead alert.")] | None = None
    segment: Short | None = None
    status: Annotated[Short, Meta(description="Without it, all that are not closed.")] | None = None
    text: Annotated[Short, Meta(description="In account, name or summary.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=500, description="`next` of the page before.")] | None = None


class AccountQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which accounts."""

    band: Short | None = None
    segment: Short | None = None
    stage: Short | None = None
    owner: Short | None = None
    text: Annotated[Short, Meta(description="In id or owner.")] | None = None
    sort: Literal["score", "arr_minor", "renewal_at_ms", "band_since_ms", "account_id"] = "score"
    descending: bool = False
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class CommandBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A command; which fields it needs depends on the action."""

    action: Annotated[str, _one_of(NEEDS)]
    case_id: Short | None = None
    alert_id: Short | None = None
    account_id: Short | None = None
    until: Time | None = None
    since: Time | None = None
    verdict: Annotated[str, _one_of(FEEDBACK_VERDICTS)] | None = None
    note: Text | None = None
    assignee: Short | None = None
    outcome: Annotated[str, _one_of(CASE_OUTCOMES)] | None = None
    kind: Short | None = None
    play_id: Short | None = None
    command_id: Annotated[str, Meta(max_length=128, description="A UUID: the same is the same command.")] | None = None


class PulseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person feels about an account."""

    account_id: Short
    score: Annotated[float, Meta(ge=1, le=5, description="1 is bad, 5 is good.")]
    note: Text | None = None


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """How much."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class Cases(Struct, frozen=True):
    """A page of cases, those first that should be looked at first."""

    cases: list[cases.CaseRow]
    next: str | None
    """Cursor of the next page; null after the last."""


class Accounts(Struct, frozen=True):
    """A page of accounts."""

    accounts: list[accounts.AccountRow]
    page: int
    pages: int
    total: int


class Sent(Struct, frozen=True):
    """The id of what the brokers have taken."""

    id: str


class Portfolio(Struct, frozen=True):
    """All accounts together, as of the last close."""

    as_of_ms: int
    changes: list[portfolio.Moved]
    """Accounts whose band changed at the last close."""
    renewals: list[portfolio.Moved]
    """Accounts to be renewed soon, those in danger first."""
    figures: list[portfolio.Figure]
    """Of the business by month; empty for those who do not see all accounts."""


class Rule(Struct, frozen=True):
    """One kind of alert, and what people say of it."""

    kind: str
    family: str
    severity: str
    condition: str
    enabled: bool
    use: rules.KindUse | None
    """None: it was never raised."""


def list_cases(call: Call) -> Cases:
    """Cases by priority."""
    query: CaseQuery = call.query
    wanted = {name: getattr(query, name) for name in ("subject", "severity", "kind", "segment", "status", "text")}
    with call.state.store.reading() as connection:
        found = cases.cases_after(
            connection, cases.CaseFilters(**wanted), call.person.owners, query.limit + 1, after=_after(query.cursor)
        )
    last = found[query.limit - 1] if len(found) > query.limit else None
    return Cases(found[: query.limit], None if last is None else _cursor(last))


def get_case(call: Call) -> cases.Case:
    """One case with its alerts and its history."""
    with call.state.store.reading() as connection:
        found = cases.case(connection, call.path["case_id"], call.person.owners)
    return _seen(found, "case")


def get_history(call: Call) -> list[cases.Act]:
    """What happened to a case and what people asked for, the newest first."""
    return list(get_case(call).history)


def send_command(call: Call) -> Sent:
    """Give a command. It is answered when the brokers have it; its result says whether it was applied."""
    given: dict[str, Any] = msgspec.to_builtins(call.body)
    key = call.headers.get("idempotency-key")
    if key is not None:
        if not 0 < len(key) <= 255 or "command_id" in given:
            raise CommandError("Idempotency-Key: 1 to 255 characters, and not beside command_id")
        given["command_id"] = repeatable_id(call.person, key)
    return Sent(call.state.sender.send(call.person, given))


def get_command(call: Call) -> Command:
    """A command and its result, once it was delivered."""
    with call.state.store.reading() as connection:
        found = command(connection, call.path["command_id"], call.person.owners)
    return _seen(found, "command")


def send_pulse(call: Call) -> Sent:
    """Say what you feel about an account."""
    body: PulseBody = call.body
    return Sent(call.state.sender.pulse(call.person, body.account_id, body.score, body.note))


def list_accounts(call: Call) -> Accounts:
    """Accounts, sorted."""
    query: AccountQuery = call.query
    wanted = {name: value for name, value in msgspec.structs.asdict(query).items() if name != "page"}
    with call.state.store.reading() as connection:
        found = accounts.accounts(connection, accounts.AccountFilters(**wanted), call.person.owners, query.page)
    return Accounts(list(found.rows), found.number, found.pages, found.total)


def get_account(call: Call) -> accounts.Account:
    """Everything about one account."""
    try:
        with call.state.store.reading() as connection:
            found = accounts.account(connection, call.path["account_id"], call.person.owners)
    except UnknownAccountError:
        # Its message names similar accounts, of whomever.
        found = None
    return _seen(found, "account")


def get_portfolio(call: Call) -> Portfolio:
    """All accounts together."""
    owners = call.person.owners
    with call.state.store.reading() as connection:
        as_of_ms = last_close_ms(connection)
        return Portfolio(
            as_of_ms,
            portfolio.changes(connection, as_of_ms, owners),
            portfolio.renewals(connection, as_of_ms, owners),
            portfolio.figures(connection, METRICS) if owners is None else [],
        )


def list_rules(call: Call) -> list[Rule]:
    """Every kind of alert, with what people say of it."""
    engine = call.state.settings.engine()
    with call.state.store.reading() as connection:
        used = rules.kinds(connection, last_close_ms(connection))
    return [
        Rule(name, kind.family, kind.severity, kind.condition, not engine.is_off(kind), used.get(name))
        for name, kind in KINDS.items()
    ]


def list_audit(call: Call) -> list[AuditLine]:
    """Who did what, newest first."""
    with call.state.store.reading() as connection:
        return read_audit(connection, call.query.limit)


OPERATIONS: Sequence[Operation] = (
    Operation(name="list_cases", path="/cases", query=CaseQuery, answer=Cases, handle=list_cases),
    Operation(name="get_case", path="/cases/{case_id}", answer=cases.Case, handle=get_case),
    Operation(name="get_history", path="/cases/{case_id}/history", answer=list[cases.Act], handle=get_history),
    Operation(
        name="send_command",
        method="POST",
        path="/commands",
        body=CommandBody,
        answer=Sent,
        handle=send_command,
        headers=(("Idempotency-Key", "The same key of the same person is the same command."),),
        status=202,
        role="operator",
    ),
    Operation(name="get_command", path="/commands/{command_id}", answer=Command, handle=get_command),
    Operation(
        name="send_pulse",
        method="POST",
        path="/pulses",
        body=PulseBody,
        answer=Sent,
        handle=send_pulse,
        status=202,
        role="operator",
    ),
    Operation(name="list_accounts", path="/accounts", query=AccountQuery, answer=Accounts, handle=list_accounts),
    Operation(name="get_account", path="/accounts/{account_id}", answer=accounts.Account, handle=get_account),
    Operation(name="get_portfolio", path="/portfolio", answer=Portfolio, handle=get_portfolio),
    Operation(name="list_rules", path="/rules", answer=list[Rule], handle=list_rules),
    Operation(
        name="list_audit", path="/audit", query=AuditQuery, answer=list[AuditLine], handle=list_audit, role="admin"
    ),
)


def _seen(found: Found | None, what: str) -> Found:
    if found is None:
        message = f"there is no such {what}"
        raise NotSeenError(message)
    return found


def _cursor(row: cases.CaseRow) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((row.priority, row.case_id))).decode()


def _after(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[float, str])
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise CommandError("cursor: is none of ours") from error
