"""What is known of one account beside its day values: subscriptions, invoices, tickets, signals, profile, episodes.

Books are small objects of the low-volume topics; their day-close summaries stand in the account columns.
Field order is the stored format (arrays without names): append only.
"""

from __future__ import annotations

import msgspec

from pipeline.books.cases import Case, Expected, Suppressed


class Subscription(msgspec.Struct, array_like=True):
    """One subscription as of its newest event."""

    active: bool = True
    mrr_minor: int | None = None
    seats: int | None = None
    as_of_ms: int = -1
    rank: int = 0
    """Of that event among those of its second."""
    since_ms: int = -(2**62)
    """When it last began."""
    currency: str = ""
    """In capitals; empty if no event said it."""
    fell_from_minor: int | None = None
    """Its recurring revenue before it fell; nothing when that is back."""
    fell_ms: int = -1
    ends_ms: int | None = None
    """When it ends or has ended, if it was cancelled."""
    term_ms: int | None = None
    """When its present term ends and it renews."""


class Invoice(msgspec.Struct, array_like=True):
    """One invoice; `settled` while nothing has happened to it since `paid_at_ms`."""

    due_at_ms: int | None = None
    amount_minor: int | None = None
    paid_at_ms: int | None = None
    failures: int = 0
    overdue: bool = False
    settled: bool = False
    paid_minor: int = 0
    """What was paid of it in part."""
    troubled_ms: int = -1
    """When a payment last failed or it was last called overdue."""

    @property
    def owed_minor(self) -> int:
        """What is left to pay; 0 while no amount is known."""
        return max(0, (self.amount_minor or 0) - self.paid_minor)


class Ticket(msgspec.Struct, array_like=True):
    """One open ticket."""

    opened_at_ms: int
    priority: str = "p3"
    escalated: bool = False


class Reopening(msgspec.Struct, array_like=True):
    """How often a ticket was reopened, and when last."""

    count: int
    at_ms: int


class Reading(msgspec.Struct, array_like=True):
    """A survey answer or a CSM pulse, scaled to 0…1."""

    value: float
    at_ms: int
    expires_at_ms: int | None = None
    author: str | None = None
    reasons: list[str] | None = None


class Contact(msgspec.Struct, array_like=True):
    """One person of the customer, as of the newest event about their role and their newest NPS answer."""

    role: str | None = None
    present: bool = False
    as_of_ms: int = -1
    touched_ms: int = -1
    """When they were last heard of."""
    nps: float | None = None
    """In 0…1."""
    nps_ms: int = -1
    swung: bool = False
    """Whether they promoted before they turned detractor."""


class Meeting(msgspec.Struct, array_like=True):
    """A meeting that took place or was missed."""

    at_ms: int
    held: bool


class Goal(msgspec.Struct, array_like=True):
    """A milestone or outcome: its date as last planned, and whether it was reached as last reported."""

    due_ms: int | None = None
    planned_ms: int = -1
    reached_ms: int | None = None
    state_ms: int = -1


class Link(msgspec.Struct, array_like=True):
    """An integration of the customer's."""

    connected: bool = True
    as_of_ms: int = -1


class Shutdown(msgspec.Struct, array_like=True):
    """A time in which nothing is expected of the account, as of the newest signal with its start."""

    ends_at_ms: int
    as_of_ms: int


def word_of(status: str | None) -> str:
    """A profile's status as it is compared."""
    return (status or "").strip().casefold()


def is_for_tests(status: str | None) -> bool:
    """Whether a profile's status says that the account is one of our own."""
    return word_of(status) in ("test", "internal")


class Profile(msgspec.Struct, array_like=True):
    """The newest profile of the account."""

    updated_at_ms: int | None = None
    name: str | None = None
    segment: str | None = None
    touch_model: str | None = None
    lifecycle_stage: str | None = None
    plan: str | None = None
    seats: int | None = None
    arr_minor: int | None = None
    currency: str | None = None
    owner: str | None = None
    parent_account_id: str | None = None
    timezone: str | None = None
    country: str | None = None
    renewal_at_ms: int | None = None
    status: str | None = None
    entitled_features: list[str] | None = None
    quota_actions: float | None = None
    stage_since_ms: int | None = None
    """`updated_at` of the first profile of those with this lifecycle stage in a row."""
    status_since_ms: int | None = None
    """The same of this status."""

    @property
    def status_word(self) -> str:
        """The status as it is compared."""
        return word_of(self.status)


class Context(msgspec.Struct, array_like=True, frozen=True):
    """What alerts show of the account, as of the last closed day."""

    name: str | None = None
    segment: str | None = None
    touch_model: str | None = None
    lifecycle_stage: str | None = None
    plan: str | None = None
    arr_minor: int | None = None
    currency: str | None = None
    owner: str | None = None
    parent_account_id: str | None = None
    renewal_at_ms: int | None = None
    day: int = -1
    country: str | None = None
    stage_since_ms: int | None = None
    arr_by_currency: dict[str, int] | None = None
    """Of an account that pays in several."""


class Episode(msgspec.Struct, array_like=True):
    """One alert's life, from opened to resolved; `expected` is that of the opening, which *clear* compares with."""

    kind: str
    dimension: str
    opened_day: int
    starts_at_ms: int
    detected_at_ms: int
    severity: str
    observed: float
    expected: float
    evidence: float
    revision: int = 1
    clear_days: int = 0
    onset: tuple[int, int, int] | None = None
    """Day on which the change most likely began, and the first and last on which it may have."""
    points: list[tuple[str, float]] | None = None
    """Of a scorecard's alert: each criterion's part in the difference of observed and expected, what moved it first."""
    due_ms: int | None = None
    """When what it announces takes effect."""
    who: str = ""
    """The contact whom it is about."""
    joined: tuple[str, ...] = ()
    """Kinds that follow from it and were not opened beside it."""
    summary: str = ""
    """Of its last record."""
    muted: bool = False
    """Whether it was closed by a person: silent while its condition holds, unless it gets more severe."""


class Book(msgspec.Struct, array_like=True):
    """All of one account."""

    subscriptions: dict[str, Subscription] = {}
    invoices: dict[str, Invoice] = {}
    tickets: dict[str, Ticket] = {}
    closed_tickets: dict[str, int] = {}
    survey: Reading | None = None
    pulse: Reading | None = None
    next_survey: Reading | None = None
    next_pulse: Reading | None = None
    profile: Profile | None = None
    context: Context = Context()
    episodes: list[Episode] = []
    billing_seen: bool = False
    tickets_seen: bool = False
    signals_seen: bool = False
    settled: dict[str, int] = {}
    """When alerts ended, by kind and dimension: older facts that come later do not raise them again."""
    reopened: dict[str, Reopening] = {}
    contacts: dict[str, Contact] = {}
    meetings: list[Meeting] = []
    """The last ones, in order of time."""
    review_ms: int = -1
    """When the last business review took place."""
    delight_ms: int = -1
    """When somebody last answered with the best possible score or an outcome was reached."""
    expanded_ms: int = -1
    """When a subscription's recurring revenue last grew."""
    milestones: dict[str, Goal] = {}
    outcomes: dict[str, Goal] = {}
    integrations: dict[str, Link] = {}
    shutdowns: dict[int, Shutdown] = {}
    """By start."""
    reference_ms: int = -1
    """When the customer last gave a reference or a referral."""
    quality: Reading | None = None
    """The last review of the quality of support."""
    next_quality: Reading | None = None
    held_roles: list[str] = []
    """Of sponsor and champion, those that somebody had at any time."""
    life: int = 0
    """What the account is as of the last closed day: a code of `pipeline.state.life`."""
    back_ms: int = -1
    """When it was last judged again, after it had ended or had been one for tests."""
    trained: list[str] = []
    """Roles in which somebody has completed a training."""
    components: dict[str, int] = {}
    """Parts of the product that tickets were opened about: the last day on which that was news."""
    delighted: str = ""
    """Who was delighted last, if that is known."""
    cases: dict[str, Case] = {}
    """By subject, those of alerts on trial apart: open ones, and lately closed ones."""
    expected: list[Expected] = []
    suppressed: list[Suppressed] = []

    def is_open(self, kind: str) -> bool:
        """Whether an episode of this kind is open, of whatever dimension."""
        return any(episode.kind == kind for episode in self.episodes)

    def episode(self, kind: str, dimension: str) -> Episode | None:
        """The open episode of this kind and dimension."""
        for episode in self.episodes:
            if episode.kind == kind and episode.dimension == dimension:
                return episode
        return None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Book)


def encode_book(book: Book) -> bytes:
    """Stored form of a book."""
    return _ENCODER.encode(book)


def decode_book(data: bytes) -> Book:
    """Read a stored book; raises `msgspec.MsgspecError` on anything else."""
    return _DECODER.decode(data)
