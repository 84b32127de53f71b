"""What the detectors do on drawn accounts: false alerts against the budget, recall and delay; beside other methods."""
