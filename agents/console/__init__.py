"""The console: what the database knows as pages for people, and their actions as commands."""
