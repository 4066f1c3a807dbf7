"""One thin file per command: arguments in, a use-case called, lines out.

`zoetrope.cli` has the table of commands.
"""
