"""How good alerts are against outcomes that are known: lead time, precision, chance, and where they fail."""
