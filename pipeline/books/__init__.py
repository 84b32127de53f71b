"""What is known of one account in objects: subscriptions, invoices, tickets, people, plans, open episodes.

One module a subject, each from an event to the book and to the facts that rules refer to. Imports `terms` only.
"""
