"""One partition's accounts as columns: day panes, active days, users, features, ids of events, standings.

What applying records and closing days change; how they are judged is the business of the rooms above.
"""
