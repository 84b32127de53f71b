"""An account's open alerts of one subject as one piece of work: its id, its life, what people do with it.

Everything is a function of the last close and of the commands since. Imports `alerts` and below.
"""
