"""The life of a cycle: how it is opened, what its stages work with, how it is closed and summed up.

`opening` begins, queues and takes up cycles; `running` is what every stage of an open one works with;
`asking`, `verdicts` and `judging` are what several stages need of models, people and stored rows; `summary`,
`comparing` and `notifying` say what came out. `goal_sets`, `goal_uploads` and `imports` bring in what cycles
work on, `policies` the model that one starts from, `holding` and `recording` who carries it out and what
happens in it. Called by the stages, the command line, the flow, the app.
"""

from camelx.cycles.running import CycleContext, Outcome, close_cycle, open_store, peak_rss_mb, recorded

__all__ = ["CycleContext", "Outcome", "close_cycle", "open_store", "peak_rss_mb", "recorded"]
