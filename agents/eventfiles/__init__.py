"""Event files: a folder with one file for each topic, read with every bad row reported, and written.

`files` is the way in. Imports nothing of the shell.
"""
