"""Figures of all customers together: pure formulas, the facts they need, and both over periods and segments."""
