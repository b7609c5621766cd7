"""What is behind a result, from what is stored and without a model.

In: ids. Out: all that led to one preference pair (`explaining`), a cycle's judgements computed once more
(`replaying`), all that one cycle did with one goal (`goal_thread`). Called by the command line, the API and
the pages.
"""
