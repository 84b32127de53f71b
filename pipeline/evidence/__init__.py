"""What the detectors weigh: members counted, shares of activity, e-detectors."""
