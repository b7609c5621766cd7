"""Rankers on made-up votes of a big cycle: time, memory, linearity, beside choix and evalica; buying.

Each row is a process of its own with one thread. Ours take the votes as a frame and give frames; choix and
evalica solve one dense problem a goal (over all results at once their matrices would take terabytes), on the
first goals of the same votes, and their time is multiplied up to all of them.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise

import numpy as np
import pandas as pd

N_GOALS, N_VOTES_PER_GOAL, N_RESULTS, N_AGENTS = 100_000, 10, 5, 8
PART = 5_000
"""Goals that choix and evalica are timed on."""
N_BOUGHT = 1_000
"""Goals whose votes are bought one by one."""
ROWS = (
    ("reliable_peer_rank", N_GOALS),
    ("reliable_peer_rank", 2 * N_GOALS),
    ("author_prior", N_GOALS),
    ("bradley_terry", N_GOALS),
    ("peer_rank", N_GOALS),
    ("win_rate", N_GOALS),
    ("choix", PART),
    ("evalica", PART),
    ("buying", N_BOUGHT),
)
LEADERBOARD = 100
"""Results of the one goal, with as many votes, on which evalica is at home."""
ON_ONE_GOAL = ("reliable_peer_rank", "bradley_terry", "evalica")
RUNS = 2
"""Of each row; the faster one is shown."""
Row = dict[str, float]


def main() -> None:
    """1,000,000 votes on 100,000 goals: every ranker, choix, evalica; 2,000,000 votes; buying decisions."""
    sys.stdout.write(
        f"{'ranker':<20}{'votes':>12}{'CPU s':>8}{'wall s':>8}{'peak MiB':>10}{'of these votes':>16}\n"
    )
    rows = {(name, n_goals): _measured(name, n_goals) for name, n_goals in ROWS}
    ours, double = (rows["reliable_peer_rank", N_GOALS], rows["reliable_peer_rank", 2 * N_GOALS])
    sys.stdout.write(
        f"reliable_peer_rank, twice the votes: {double['cpu'] / ours['cpu']:.2f} times the CPU time\n"
    )
    for name in ("choix", "evalica"):
        part = rows[name, PART]
        whole = part["cpu"] * ours["n_votes"] / part["n_votes"]
        sys.stdout.write(
            f"{name}, extrapolated from {part['n_votes']:,} votes: {whole:.0f} s of CPU, "
            f"{whole / ours['cpu']:.1f} times reliable_peer_rank, "
            f"{whole / rows['bradley_terry', N_GOALS]['cpu']:.1f} times bradley_terry\n"
        )
    sys.stdout.write(f"one goal with {LEADERBOARD} results:\n")
    for name in ON_ONE_GOAL:
        _measured(name, 1)
    bought = rows["buying", N_BOUGHT]
    sys.stdout.write(
        f"buying: {1e3 * bought['cpu'] / bought['n_votes']:.2f} ms of CPU a vote, "
        "the reviewers fitted anew as votes come in included\n"
    )


def made_up_votes(
    n_goals: int, n_votes: int = N_VOTES_PER_GOAL, n_results: int = N_RESULTS, seed: int = 0
) -> pd.DataFrame:
    """Return votes of eight agents on each goal's results, never their own, with ties and position bias."""
    rng = np.random.default_rng(seed)
    n = n_goals * n_votes
    goal = np.repeat(np.arange(n_goals), n_votes)
    a = rng.integers(0, n_results, n)
    b = (a + rng.integers(1, n_results, n)) % n_results
    authors = (np.stack([a, b]) + goal) % N_AGENTS
    judge = rng.integers(0, N_AGENTS - 2, n)
    for author in np.sort(authors, axis=0):
        judge += judge >= author
    quality = rng.normal(size=(n_goals, n_results))
    skill = np.linspace(0.3, 2.0, N_AGENTS)[judge]
    seen = skill * (quality[goal, a] - quality[goal, b]) + rng.logistic(size=n) + 0.3
    goals = np.array([f"g{g:06d}" for g in range(n_goals)], dtype=object)
    results = np.array([[f"{g}/{k}" for k in range(n_results)] for g in goals], dtype=object)
    names = np.array([f"agent-{k}" for k in range(N_AGENTS)], dtype=object)
    return pd.DataFrame(
        {
            "goal_id": goals[goal],
            "judge": names[judge],
            "first_id": results[goal, a],
            "second_id": results[goal, b],
            "first_author": names[authors[0]],
            "second_author": names[authors[1]],
            "outcome": np.where(seen > 0.3, 1.0, np.where(seen < -0.3, -1.0, 0.0)),
            "vote_id": np.arange(n).astype(str).astype(object),
        }
    )


def _measured(name: str, n_goals: int) -> Row:
    """Run one row in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ranking", name, str(n_goals)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    row: Row = json.loads(done.stdout)
    sys.stdout.write(
        f"{name:<20}{row['n_votes']:>12,}{row['cpu']:>8.2f}{row['wall']:>8.2f}"
        f"{row['peak_mib']:>10,.0f}{row['votes_mib']:>16,.0f}\n"
    )
    sys.stdout.flush()
    return row


def _one_row(name: str, n_goals: int) -> None:
    """Time one row and print it as JSON."""
    everything = N_GOALS * N_VOTES_PER_GOAL
    votes = made_up_votes(n_goals) if n_goals > 1 else made_up_votes(1, everything, LEADERBOARD)
    run = _prepared(name)
    votes_mib, peak_mib, times = _peak_mib(), 0.0, []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        run(votes)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
        peak_mib = peak_mib or _peak_mib()
    cpu, wall = min(times)
    row = {"wall": wall, "cpu": cpu, "n_votes": len(votes), "votes_mib": votes_mib, "peak_mib": peak_mib}
    sys.stdout.write(json.dumps(row) + "\n")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _prepared(name: str) -> Callable[[pd.DataFrame], object]:
    """Return what is to be timed, everything that it needs imported."""
    if name in ("choix", "evalica"):
        import_module(name)
        return _by_choix if name == "choix" else _by_evalica
    if name == "buying":
        from camelx.ranking.reviewing.buying import buying_order

        return buying_order
    from camelx.config import BradleyTerryConfig, PeerRankConfig, ReliablePeerRankConfig, WinRateConfig
    from camelx.ranking import rank_votes

    config = {
        "reliable_peer_rank": ReliablePeerRankConfig(),
        "author_prior": ReliablePeerRankConfig(author_prior=True),
        "bradley_terry": BradleyTerryConfig(),
        "peer_rank": PeerRankConfig(kind="peer_rank"),
        "win_rate": WinRateConfig(kind="win_rate"),
    }[name]
    return lambda votes: rank_votes(votes, config)


def _by_goal(votes: pd.DataFrame) -> Iterator[tuple[list[str], list[str], list[float]]]:
    """Yield first results, second results and outcomes of each goal's votes."""
    goal = votes["goal_id"].to_numpy()
    starts = np.flatnonzero(np.append(True, goal[1:] != goal[:-1]))
    first, second, outcome = (votes[name].tolist() for name in ("first_id", "second_id", "outcome"))
    for at, end in pairwise([*starts.tolist(), len(goal)]):
        yield first[at:end], second[at:end], outcome[at:end]


def _by_choix(votes: pd.DataFrame) -> None:
    """Fit each goal with choix: codes, the winner first, and a tie goes to the result shown first."""
    import choix

    for first, second, outcome in _by_goal(votes):
        codes = {item: code for code, item in enumerate(dict.fromkeys(first + second))}
        pairs = [
            (codes[a], codes[b]) if o >= 0 else (codes[b], codes[a])
            for a, b, o in zip(first, second, outcome, strict=True)
        ]
        choix.ilsr_pairwise(len(codes), pairs, alpha=0.1)


def _by_evalica(votes: pd.DataFrame) -> None:
    """Fit each goal with evalica."""
    import evalica

    winners = {1.0: evalica.Winner.X, -1.0: evalica.Winner.Y, 0.0: evalica.Winner.Draw}
    for first, second, outcome in _by_goal(votes):
        evalica.bradley_terry(first, second, [winners[o] for o in outcome])


if __name__ == "__main__":
    _one_row(sys.argv[1], int(sys.argv[2]))
