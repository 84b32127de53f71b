"""Questions that people ask of the database, each one function; console, API and assistants ask the same.

Every function reads over a connection, returns frozen values, and takes `owners`: whose accounts may be seen, None for
everybody's. Times are epoch milliseconds, money is in minor units, days are counted since 1970-01-01.
"""
