"""What holds for a whole process, whatever it works on.

What its libraries must not do (`offline`, `threads`), where its log lines go and which request they belong to
(`logs`, `tracing`), how far it is (`progress`), how long it was inside models (`clock`), what it does now and
then beside its work (`repeating`), whether another process is still there (`processes`). Knows no cycle, no
model and no database.
"""
