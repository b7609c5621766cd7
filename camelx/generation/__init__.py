"""Goals x agents x samples to interactions: the proposer and executor part of the agents' workflow.

In go goals, agents (as protocol arguments) and what earlier runs were answered; out come interactions, each
saved the moment it is there. Called by `camelx.stages` for the cycle's work and for evaluation.
"""

from camelx.generation.workflow import generate_interactions, interaction_id

__all__ = ["generate_interactions", "interaction_id"]
