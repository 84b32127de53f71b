"""What detectors and scorecards weigh: the view of a closed day, expected levels, shares, e-detectors.

Methods without a threshold of their own. Imports `state` and below.
"""
