"""How reviewers are asked: which votes are worth asking for, in which form, and how the answers come in.

In: finished results and the agents that judge. Out: votes, each saved the moment it is there. Called by
`camelx.cycles.asking`.
"""
