"""Everything that is said of alerts against outcomes, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.scoring.detection import Detecting, Detection
from pipeline.scoring.foretold import Foretold, OutcomeForetold, foretold
from pipeline.scoring.judged import Alert, Outcome, Verdict, Warned, first_of_runs, judge
from pipeline.scoring.kinds import OfKind, ScoreBin, by_kind, reliability
from pipeline.scoring.leadtime import AtLead, CurvePoint, LeadTimes
from pipeline.scoring.nab import nab_scores
from pipeline.scoring.panel import Panel
from pipeline.scoring.protocol import GAINS, LOSSES, WEEK_MS, Protocol
from pipeline.scoring.spans import Span, Staleness, halves, quarters, staleness

SHOWN_WORST = 12
STEPS = ("lead times", "detection", "kinds", "quarters", "outlook")


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is to do for the people who are told."""

    owners: int
    weeks: float
    alerts_per_owner_week: float | None
    false_alarms_per_owner_week: float | None
    busiest_owner_per_week: float | None


@dataclass(frozen=True, slots=True)
class Scored:
    """Alerts against outcomes."""

    losses: int
    gains: int
    verdicts: dict[str, int]
    """Warnings of losses by what they were followed by."""
    leads: list[AtLead]
    churn_leads: list[AtLead]
    """The same for churned accounts alone."""
    curve: list[CurvePoint]
    down: Detection
    """Risk alerts against churn and contraction."""
    up: Detection
    """Expansion alerts against expansion."""
    nab: dict[str, float | None]
    load: Load
    halves: list[Span]
    quarters: list[Span]
    kinds: list[OfKind]
    up_kinds: list[OfKind]
    shadow_kinds: list[OfKind]
    """Risk alerts in shadow, which count nowhere else."""
    reliability: list[ScoreBin]
    outlook: list[OutcomeForetold]
    """What was foretold against what happened."""
    stale: list[Staleness]
    worst_misses: list[Outcome]
    worst_false_alarms: list[Warned]


def score(
    outcomes: Sequence[Outcome],
    openings: Sequence[Alert],
    panel: Panel,
    owner_of: Mapping[str, str],
    protocol: Protocol,
    on_step: Callable[[str], None] = lambda _step: None,
    told_of: Sequence[Foretold] = (),
    *,
    declared: bool = False,
) -> Scored:
    """Score the openings of alerts against what happened.

    Args:
        outcomes: losses and gains.
        openings: first revisions of alerts, those in shadow among them.
        panel: which accounts were watched when.
        owner_of: the owner of each account that has one.
        protocol: the rules.
        on_step: told what is done next, one of `STEPS`.
        told_of: what was told of accounts' outlook.
        declared: whether churn is known at once.
    """
    losses = [each for each in outcomes if each.kind in LOSSES]
    gains = [each for each in outcomes if each.kind in GAINS]
    told, on_trial = ([each for each in openings if each["shadow"] is shadow] for shadow in (False, True))
    risks, chances = ([each for each in told if each["family"] == family] for family in ("risk", "expansion"))
    on_step(STEPS[0])
    firsts = first_of_runs(risks, panel, protocol)
    warned = judge(firsts, losses, panel, protocol)
    leads = LeadTimes(losses, warned, panel, protocol)
    churn_leads = LeadTimes([each for each in losses if each.kind == "churned"], warned, panel, protocol)
    on_step(STEPS[1])
    down = Detecting(losses, panel, protocol).figures(firsts)
    up = Detecting(gains, panel, protocol).figures(first_of_runs(chances, panel, protocol))
    on_step(STEPS[2])
    kinds, up_kinds = by_kind(risks, losses, panel, protocol), by_kind(chances, gains, panel, protocol)
    bins = reliability(risks, losses, panel, protocol)
    on_step(STEPS[3])
    spans = quarters(leads, warned, protocol)
    on_step(STEPS[4])
    return Scored(
        losses=len(losses),
        gains=len(gains),
        verdicts={str(verdict): sum(each.verdict is verdict for each in warned) for verdict in Verdict},
        leads=leads.table(),
        churn_leads=churn_leads.table(),
        curve=leads.curve(),
        down=down,
        up=up,
        nab=nab_scores(losses, warned, protocol),
        load=_load(told, warned, panel, owner_of),
        halves=halves(leads, warned, protocol),
        quarters=spans,
        kinds=kinds,
        up_kinds=up_kinds,
        shadow_kinds=by_kind([each for each in on_trial if each["family"] == "risk"], losses, panel, protocol),
        reliability=bins,
        outlook=foretold(told_of, outcomes, panel, protocol, declared=declared),
        stale=staleness(spans, protocol),
        worst_misses=_worst_misses(leads, protocol),
        worst_false_alarms=_worst_false_alarms(warned),
    )


def _load(openings: Sequence[Alert], warned: Sequence[Warned], panel: Panel, owner_of: Mapping[str, str]) -> Load:
    owners = len(set(owner_of.values()))
    weeks = (panel.end_ms - panel.base_ms) / WEEK_MS
    owned: dict[str, int] = {}
    for alert in openings:
        owner = owner_of.get(alert["account_id"])
        if owner is not None and alert["family"] in ("risk", "expansion", "advocacy"):
            owned[owner] = owned.get(owner, 0) + 1
    false = sum(each.verdict is Verdict.FALSE and each.account_id in owner_of for each in warned)
    known = owners > 0 and weeks > 0
    return Load(
        owners=owners,
        weeks=weeks,
        alerts_per_owner_week=sum(owned.values()) / owners / weeks if known else None,
        false_alarms_per_owner_week=false / owners / weeks if known else None,
        busiest_owner_per_week=max(owned.values(), default=0) / weeks if known else None,
    )


def _worst_misses(leads: LeadTimes, protocol: Protocol) -> list[Outcome]:
    """Outcomes not foreseen early enough: those worth most first, then churned ones, then the latest."""
    missed = [
        outcome
        for outcome, lead in zip(leads.outcomes, leads.leads, strict=True)
        if lead is None or lead < protocol.shortest_lead_days
    ]
    missed.sort(key=lambda each: (-(each.worth_minor or 0), LOSSES.index(each.kind), -each.at_ms, each.account_id))
    return missed[:SHOWN_WORST]


def _worst_false_alarms(warned: Sequence[Warned]) -> list[Warned]:
    """The surest of the false ones first, then the latest."""
    false = [each for each in warned if each.verdict is Verdict.FALSE]
    false.sort(key=lambda each: (-each.alert["score"], -each.at_ms, each.alert["alert_id"]))
    return false[:SHOWN_WORST]
