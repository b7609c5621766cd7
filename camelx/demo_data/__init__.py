"""Demo data: an empty database is filled so that every page has something to show, without any model.

In: an empty database, how many interactions there shall be. Out: two judged cycles (`RuleAgent`s answer and
review in place of models, the real stages rank, export and validate), what three people said of their pairs,
and as many further interactions as asked for, in earlier cycles that nobody judged. The same seed and moment
give the same rows. Called by `camelx demo-data`:

    CAMELX_ROOT=/tmp/demo camelx demo-data                       # within a minute
    CAMELX_ROOT=/tmp/demo camelx demo-data --interactions 1000000  # a database to measure with
    CAMELX_ROOT=/tmp/demo camelx serve

Nothing of it is trained on by accident: the cycles have the origin "import" and a policy of their own
("demo-data"), so they belong to no line of real cycles; they are completed, so `--resume` passes them over;
their goals have the source "demo", which no cycle on imported goals takes; their reviewers' names occur
nowhere else, so people's verdicts on them calibrate nobody. There is no adapter: training, evaluation and
registration did not run.
"""

from camelx.demo_data.filling import Filled, fill

__all__ = ["Filled", "fill"]
