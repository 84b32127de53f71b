"""Helpers that several test modules import; nothing here is a test."""
