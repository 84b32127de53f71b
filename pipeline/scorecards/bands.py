"""Health bands and how an account moves between them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from pipeline.terms.arrays import F64, U8, Bools

GREY, RED, YELLOW, GREEN = range(4)
NAMES = ("grey", "red", "yellow", "green")


class BandRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an account changes its band; scores of 0…100, coverage of 0…1."""

    red_below: float = 40.0
    red_until: float = 50.0
    """Red is left from here on."""
    green_from: float = 75.0
    green_until: float = 65.0
    """Green is left below."""
    hold_days: int = 3
    """A move counts when its candidate has been the same for so many closed days."""
    min_coverage: float = 0.4
    """Grey below."""
    cap: bool = True
    """Whether an open alert of a risk bounds the band: error at yellow; critical makes it red."""


BAND_RULE = BandRule()
GREY_DAYS = 84
"""Closed days without a judgement after which a band is grey: nothing of the time before is remembered any more."""


@dataclass(frozen=True, slots=True)
class BandState:
    """Band, and the candidate that has been waiting to replace it."""

    band: U8
    candidate: U8
    candidate_days: U8


def move(
    state: BandState, score: F64, coverage: F64, rule: BandRule = BAND_RULE, pinned: tuple[Bools, U8] | None = None
) -> BandState:
    """Bands after one more closed day; `pinned`: whose does not follow the score, and what it is.

    Hysteresis: a band is entered and left at different scores. A first judgement counts at once, a fall to grey after
    `GREY_DAYS` closed days, any other move when the candidate has been the same for `hold_days`.
    """
    target = target_of(state.band, score, coverage, rule)
    if pinned is not None:
        target = np.where(*pinned, target)
    same = target == state.band
    streak = np.where(target == state.candidate, state.candidate_days + 1, 1)
    streak = np.where(same, 0, streak)
    at_once = state.band == GREY
    if pinned is not None:
        at_once |= pinned[0]
    hold_days = np.where(target == GREY, GREY_DAYS, rule.hold_days)
    moved = ~same & (at_once | (streak >= hold_days))
    band = np.where(moved, target, state.band).astype(np.uint8)
    days = np.where(moved | same, 0, streak).astype(np.uint8)
    candidate = np.where(moved | same, band, target).astype(np.uint8)
    return BandState(band, candidate, days)


def plain(score: F64, coverage: F64, rule: BandRule) -> U8:
    """The bands that scores call for by themselves, without hysteresis."""
    return target_of(np.full(len(score), GREY, dtype=np.uint8), score, coverage, rule)


def under(band: U8, cap: U8) -> U8:
    """The worse of bands and caps; a cap of green is none, and grey is no better than any other."""
    return np.where((band == GREY) & (cap < GREEN), cap, np.minimum(band, cap)).astype(np.uint8)


def target_of(band: U8, score: F64, coverage: F64, rule: BandRule) -> U8:
    """The band that a score calls for, given the present one."""
    plain = np.where(score < rule.red_below, RED, np.where(score >= rule.green_from, GREEN, YELLOW))
    target = np.where((band == RED) & (score < rule.red_until), RED, plain)
    target = np.where((band == GREEN) & (score >= rule.green_until), GREEN, target)
    return np.where((coverage < rule.min_coverage) | np.isnan(score), GREY, target).astype(np.uint8)
