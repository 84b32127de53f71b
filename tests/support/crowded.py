"""A PostgreSQL database as full as that of a large customer: accounts, a year of weekly health, alerts, cases."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from sqlalchemy import create_engine, insert, select, text

from schemas.topics import DAY_MS
from sinks.database.migrate import upgrade
from sinks.database.tables import metadata

LAST_DAY = 20_500
CLUSTER = "foreshock"
BIG = ("alerts", "alert_revisions", "health_history", "portfolio_facts", "cases", "case_revisions")
"""Tables that machines fill as time goes by, which no page may read in whole."""
_AS_OF_MS = (LAST_DAY + 1) * DAY_MS
_DIMENSIONS = (
    "usage_trend", "active_users", "seat_utilisation", "feature_breadth", "power_users", "support", "billing",
    "contract", "sentiment", "engagement", "attendance", "sponsor", "champion",
)  # fmt: skip
_KINDS = ("usage_drop", "users_drop", "silence", "survey_detractor", "renewal_at_risk", "ticket_surge", "p1_open")


@dataclass(frozen=True, slots=True)
class Crowd:
    """How much there is of everything."""

    accounts: int
    alerts: int
    weeks: int = 52
    open_share: int = 40
    """One alert in so many is open."""


FULL = Crowd(accounts=100_000, alerts=1_000_000)


def fill(url: str, crowd: Crowd) -> None:
    """Fill an empty database."""
    upgrade(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for statement in _statements(crowd):
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE")


def copy(url: str, to: str) -> None:
    """Fill an empty database with what another one has."""
    upgrade(to)
    source, target = create_engine(url), create_engine(to)
    for table in metadata.sorted_tables:
        with source.connect() as connection, target.begin() as begun:
            found = connection.execution_options(yield_per=5_000).execute(select(table))
            for rows in found.mappings().partitions():
                begun.execute(insert(table), [dict(row) for row in rows])
    with target.begin() as begun:
        begun.execute(text("ANALYZE"))


def account(number: int) -> str:
    """Id of an account."""
    return f"acc-{number:06d}"


def case(number: int) -> str:
    """Id of a case."""
    return f"case-{number:07d}"


def _statements(crowd: Crowd) -> list[str]:
    id_of = "'acc-' || lpad({}::text, 6, '0')"
    account_id = id_of.format("i")
    owner, segment = "'csm-' || (i % 500)", "(ARRAY['smb','mid_market','enterprise','strategic'])[1 + i % 4]"
    money = "(i % 977) * 10000, (ARRAY['EUR','USD','GBP'])[1 + i % 3]"
    score, band = "(i * 7919 % 10000) / 100.0", "(ARRAY['green','green','green','yellow','red'])[1 + i % 5]"
    context = f"{segment}, 'adoption', 'low_touch', 'team', {money}, {_AS_OF_MS} + (i % 365) * {DAY_MS}::bigint"
    values = "||','||".join(f"'\"{name}\":' || ((i + d) % 100) / 100.0" for name in _DIMENSIONS)
    dimensions = "||','||".join(
        f"""'{{"name":"{name}","group":"product","weight":3,"value":0.5,"observed":12.0,"expected":14.0,'
            || '"contribution":4.5}}'"""
        for name in _DIMENSIONS
    )
    health = f"""'{{"scorecard":"default","version":1,"band":"green","score":80.0,"coverage":0.9,"provisional":false,'
        || '"monitorability":{{"min_drop_7d":0.5,"min_drop_14d":0.4,"min_drop_28d":0.3}},"dimensions":[' || {dimensions}
        || ']}}'"""
    actions, expected = ",".join(["12000"] * 14), ",".join(["13.25"] * 14)
    fortnight = f"""'{{"first_day":' || {LAST_DAY} - 7 * d - 13 || ',"actions":[{actions}],"users":[{actions}],'
        || '"expected":[{expected}],"dispersion":2.5}}'"""
    alert_id, case_id = "'alert-' || i", f"'case-' || lpad((i % {crowd.accounts})::text, 7, '0')"
    of_account = f"(i % {crowd.accounts})"
    kind = "(ARRAY[" + ",".join(f"'{name}'" for name in _KINDS) + f"])[1 + i % {len(_KINDS)}]"
    severity = "(ARRAY['info','warning','error','critical'])[1 + i % 4]"
    is_open = f"i < {crowd.alerts // crowd.open_share}"
    at = f"({_AS_OF_MS} - (i % 365) * {DAY_MS}::bigint)"
    who = owner.replace("i %", f"{of_account} %")
    # Of the others no page is asked for, and they would fill the disk.
    looked_at = f"{of_account} < {crowd.accounts // crowd.open_share}"
    record = f"""CASE WHEN {looked_at} THEN json_build_object('alert_id', {alert_id}, 'kind', {kind}, 'dimension',
        'total_usage', 'status', 'firing', 'severity', {severity}, 'score', 12.0, 'summary', 'Account: usage fell',
        'starts_at', {at}, 'detected_at', {at}, 'onset', null, 'signal', json_build_object('observed', 31.0, 'expected',
        100.0, 'unit', 'actions', 'direction', 'down'), 'evidence', json_build_object('arl_days', 2800, 'value', 9.0,
        'provisional', false), 'top_contributors', json_build_array(), 'context', json_build_object('arr_minor', 100,
        'currency', 'EUR'), 'play', json_build_object('id', 'p', 'title', 'Call', 'due_at', {at}), 'dimensions',
        json_build_array())::text ELSE '{{}}' END"""
    status = "(ARRAY['open','open','open','acknowledged','snoozed'])[1 + i % 5]"
    closed = f"i >= {crowd.accounts // 4}"
    return [
        f"""INSERT INTO accounts (account_id, owner, segment, lifecycle_stage, touch_model, plan, arr_minor, currency,
            renewal_at_ms, life, scorecard, score, band, previous_band, band_since_ms, coverage, provisional, as_of_ms,
            day) SELECT {account_id}, {owner}, {context}, 'active', 'default', {score}, {band}, 'green',
            {_AS_OF_MS} - (i % 300) * {DAY_MS}::bigint, 0.9, false, {_AS_OF_MS}, {LAST_DAY}
            FROM generate_series(0, {crowd.accounts - 1}) i""",
        f"""INSERT INTO account_health (account_id, scorecard, version, as_of_ms, day, score, band, coverage,
            provisional, is_primary, shadow, payload, band_since_ms) SELECT {account_id}, 'default', '1', {_AS_OF_MS},
            {LAST_DAY}, {score}, {band}, 0.9, false, true, false, {health}, {_AS_OF_MS}
            FROM generate_series(0, {crowd.accounts - 1}) i""",
        f"""INSERT INTO health_history (account_id, scorecard, day, version, as_of_ms, score, band, coverage,
            dimension_values, activity, segment, arr_minor, currency, shadow, life) SELECT {account_id}, 'default',
            {LAST_DAY} - 7 * d, '1', ({LAST_DAY} - 7 * d + 1) * {DAY_MS}::bigint, {score},
            (ARRAY['green','green','yellow','red','green'])[1 + (i + d) % 5], 0.9, '{{' || {values} || '}}',
            CASE WHEN i < {crowd.accounts // crowd.open_share} THEN {fortnight} END, {segment},
            {money}, false, 'active' FROM generate_series(0, {crowd.accounts - 1}) i,
            generate_series(0, {crowd.weeks - 1}) d""",
        f"""INSERT INTO alerts (alert_id, revision, status, transition_reason, account_id, owner, family, kind,
            dimension, level, severity, score, starts_at_ms, ends_at_ms, detected_at_ms, updated_at_ms, metric, unit,
            direction, method, evidence, provisional, summary, config_hash, shadow, case_id) SELECT {alert_id}, 1,
            CASE WHEN {is_open} THEN 'firing' ELSE 'resolved' END, 'detected', {id_of.format(of_account)}, {who},
            'risk', {kind}, 'total_usage', 'basic', {severity}, 12.0, {at}, CASE WHEN {is_open} THEN NULL ELSE {at} END,
            {at}, {at}, 'actions', 'actions', 'down', 'm', 9.0, false, 'Account: usage fell', 'h', false, {case_id}
            FROM generate_series(0, {crowd.alerts - 1}) i""",
        f"""INSERT INTO alert_revisions (alert_id, revision, account_id, status, transition_reason, severity,
            updated_at_ms, payload, payload_sha256) SELECT {alert_id}, 1, {id_of.format(of_account)}, 'firing',
            'detected', {severity}, {at}, {record}, '' FROM generate_series(0, {crowd.alerts - 1}) i""",
        f"""INSERT INTO cases (case_id, revision, account_id, account_name, subject, status, opened_at_ms,
            updated_at_ms, lead_alert_id, lead_kind, severity, summary, alert_count, priority, arr_minor, currency,
            renewal_at_ms, segment, owner, step_id, step_title, step_due_at_ms, overdue, config_hash, shadow, payload)
            SELECT 'case-' || lpad(i::text, 7, '0'), 2, {account_id}, 'Account ' || i, 'risk',
            CASE WHEN {closed} THEN 'closed' ELSE {status} END, {at}, {at}, {alert_id}, {kind}, {severity},
            'Account ' || i || ': usage fell', 2, i * 7919 % 101, {money}, {_AS_OF_MS} + 90 * {DAY_MS}::bigint,
            {segment}, {owner}, 'p', 'Call', {_AS_OF_MS}, false, 'h', false, '{{"suppressed":[]}}'
            FROM generate_series(0, {crowd.accounts - 1}) i""",
        f"""INSERT INTO case_revisions (case_id, revision, account_id, status, updated_at_ms, payload, payload_sha256)
            SELECT 'case-' || lpad(i::text, 7, '0'), r, {account_id}, 'open', {at}, '{{}}', ''
            FROM generate_series(0, {crowd.accounts - 1}) i, generate_series(1, 2) r""",
        f"""INSERT INTO alert_commands (command_id, account_id, action, author, issued_at_ms, case_id, verdict, kind,
            result) SELECT 'command-' || i, {id_of.format(of_account)}, 'feedback', 'ann', {at}, {case_id}, 'useful',
            {kind}, 'applied' FROM generate_series(0, {crowd.alerts // 50 - 1}) i""",
        f"""INSERT INTO portfolio_facts (topic, account_id, event_id, type, occurred_at_ms, arrival)
            SELECT (ARRAY['billing.events','ticket.events','customer.signals'])[1 + d % 3], {account_id}, 'e-' || d,
            'opened', {at}, d FROM generate_series(0, {crowd.accounts - 1}) i, generate_series(0, 8) d""",
        f"""INSERT INTO portfolio_metrics (period, starts_on, segment, metric, dimension, ends_on, value, n, as_of_ms)
            SELECT 'month', to_char(date '2024-01-01' + make_interval(months => m), 'YYYY-MM-DD'), s, k, '', '', 0.9,
            100, {_AS_OF_MS} FROM generate_series(0, 23) m, unnest(ARRAY['', 'smb', 'enterprise']) s,
            unnest(ARRAY['gross_revenue_retention','net_revenue_retention','logo_churn','gross_mrr_churn','nps','csat'])
            k""",
        f"""INSERT INTO sink_positions SELECT '{CLUSTER}', t, p, 1000 FROM unnest(ARRAY['cases','account.health',
            'alerts.health']) t, generate_series(0, 7) p""",
    ]
