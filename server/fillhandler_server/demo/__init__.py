"""`fillhandler demo`: trades at a simulated exchange that misbehaves, and what becomes of them.

`story` and `comparing` are pure. `run` starts a real exchange process and a real server process, and talks to
the server through the client, as any other program does.
"""
