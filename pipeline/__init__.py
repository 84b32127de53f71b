"""The functional core, from a batch of records to alerts: no I/O, no thread, no clock.

The way of an event: `intake` gives each record its fate and applies it to `books` and `state`; when a day is over,
`close` asks `detectors` and `health` what they see, opens and ends episodes, and has their alerts explained;
`changelog` keeps the state. Beside the way: `portfolio`, `scoring`, `simulate`. SEMANTICS.md has the rules.
"""
