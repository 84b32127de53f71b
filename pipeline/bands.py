"""Health bands and how an account moves between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GREY, RED, YELLOW, GREEN = range(4)
NAMES = ("grey", "red", "yellow", "green")
HOLD_DAYS = 3
MIN_COVERAGE = 0.4

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BandState:
    """Band, and the candidate that has been waiting to replace it."""

    band: U8
    candidate: U8
    candidate_days: U8


def move(state: BandState, score: F64, coverage: F64) -> BandState:
    """Bands after one more closed day.

    Hysteresis: red is entered below 40 and left at 50, green entered at 75 and left below 65. A first judgement and
    a fall to grey count at once, any other move when the candidate has been the same for three closed days.
    """
    plain = np.where(score < 40, RED, np.where(score >= 75, GREEN, YELLOW))
    target = np.where((state.band == RED) & (score < 50), RED, plain)
    target = np.where((state.band == GREEN) & (score >= 65), GREEN, target)
    target = np.where((coverage < MIN_COVERAGE) | np.isnan(score), GREY, target).astype(np.uint8)
    same = target == state.band
    streak = np.where(target == state.candidate, state.candidate_days + 1, 1)
    streak = np.where(same, 0, streak)
    moved = ~same & ((state.band == GREY) | (target == GREY) | (streak >= HOLD_DAYS))
    band = np.where(moved, target, state.band).astype(np.uint8)
    days = np.where(moved | same, 0, streak).astype(np.uint8)
    candidate = np.where(moved | same, band, target).astype(np.uint8)
    return BandState(band, candidate, days)
