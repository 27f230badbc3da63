"""`fillhandler demo`: a server of its own, three made-up exchanges, and what becomes of their fills.

`generator` is pure: the same seed gives the same payloads. `run` starts a real server process and talks to it
through the client, as any other program does.
"""
