from pathlib import Path

import pytest

from camelx.config import (
    OverrideName,
    RunConfig,
    Settings,
    WinRateConfig,
    load_config,
    parse_config,
    with_overrides,
    without_password,
)
from camelx.demo_model import roles
from camelx.errors import ConfigError
from camelx.schemas import Role

CONFIGS = Path(__file__).parents[2] / "configs"

AGENTS = """\
backends:
  policy: {kind: transformers}
agents:
  - {name: executor, role: executor, backend: policy, system: Work.}
  - {name: reviewer, role: peer_reviewer, backend: policy, system: Judge.}
"""


def _write(folder: Path, cycle: str = "agents: agents.yaml\n", agents: str = AGENTS) -> Path:
    (folder / "agents.yaml").write_text(agents)
    path = folder / "cycle.yaml"
    path.write_text(cycle)
    return path


def test_the_shipped_config_loads_and_its_agents_say_what_the_demo_model_knows() -> None:
    config = load_config(CONFIGS / "cycle.yaml")
    systems = {role: config.agents.with_role(role)[0].system for role in Role}
    assert systems == {
        Role.PROPOSER: roles.PROPOSER_SYSTEM,
        Role.EXECUTOR: roles.EXECUTOR_SYSTEM,
        Role.PEER_REVIEWER: roles.PEER_REVIEWER_SYSTEM,
    }


def test_the_shipped_config_makes_eight_results_for_each_of_200_goals() -> None:
    config = load_config(CONFIGS / "cycle.yaml")
    (proposer,), (executor,) = (config.agents.with_role(r) for r in (Role.PROPOSER, Role.EXECUTOR))
    assert proposer.count * proposer.samples * executor.count * executor.samples == 8
    assert config.goals.n == 200
    assert config.goals.heldout_n >= 300


def test_a_config_survives_its_way_through_the_database(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))
    assert parse_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("cycle", "agents", "message"),
    [
        (
            "agents: agents.yaml\ngoals:\n  nn: 3\n",
            AGENTS,
            r"cycle.yaml:3: goals.nn: unknown key; did you mean 'n'",
        ),
        ("agents: agents.yaml\ntrainin: {}\n", AGENTS, r"cycle.yaml:2: trainin: .* 'training'"),
        ("agents: agents.yaml\ngoals:\n  n: many\n", AGENTS, r"cycle.yaml:3: goals.n: .*integer.*got 'many'"),
        (
            "agents: agents.yaml\nranking:\n  ranker:\n    kind: win_rate\n    prior: 3\n",
            AGENTS,
            r"cycle.yaml:5: ranking.ranker.prior: unknown key; did you mean 'prior_votes'",
        ),
        (
            "agents: agents.yaml\nranking:\n  ranker: {kind: elo}\n",
            AGENTS,
            r"cycle.yaml:3: ranking.ranker.kind: there is no 'elo'; valid are win_rate",
        ),
        (
            "agents: agents.yaml\n",
            AGENTS.replace("backend: policy", "backend: polcy", 1),
            r"agents.yaml:4: agents.0.backend: agent 'executor' names backend 'polcy'.*did you mean 'policy'",
        ),
        (
            "agents: agents.yaml\n",
            AGENTS.replace("kind: transformers", "kind: transformrs"),
            r"agents.yaml:2: backends.policy.kind: there is no 'transformrs'; did you mean 'transformers'",
        ),
        (
            "agents: agents.yaml\n",
            AGENTS.replace("kind: transformers", ""),
            r"agents.yaml:2: backends.policy.kind: this key is missing",
        ),
        (
            "agents: agents.yaml\n",
            AGENTS.replace(", system: Work.", ""),
            r"agents.yaml:4: agents.0.system: .*missing",
        ),
        (
            "agents: agents.yaml\n",
            AGENTS.replace("peer_reviewer", "executor"),
            r"agents.yaml: no agent has the role peer_reviewer",
        ),
        (
            "agents: agents.yaml\n",
            AGENTS.replace("name: reviewer", "name: executor"),
            "agent names must differ",
        ),
        (
            "agents: agents.yaml\nexport: {roles: [executor, peer_reviewer]}\n",
            AGENTS,
            "export.roles has peer_reviewer, which needs two reviews of the same pair",
        ),
        ("agents: [1\n", AGENTS, r"cycle.yaml:2: not valid YAML"),
        ("- 1\n", AGENTS, "expected a mapping of sections"),
        ("agents: {a: 1}\n", AGENTS, r"cycle.yaml:1: agents must be the path"),
        ("agents: none.yaml\n", AGENTS, r"none.yaml does not exist"),
        (
            "agents: agents.yaml\nevaluation: {verifier: regex}\n",
            AGENTS,
            r"cycle.yaml:2: evaluation: verifier 'regex' needs evaluation.regex",
        ),
        (
            "agents: agents.yaml\ntraining:\n  batch_size: 10\n  micro_batch_size: 4\n",
            AGENTS,
            r"batch_size 10 is not a multiple",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, cycle: str, agents: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(_write(tmp_path, cycle, agents))


_PRICED = """\
backends:
  local: {kind: transformers%s}
  paid: {kind: openai, model: m, url: http://localhost/v1%s}
  unused: {kind: openai, model: m, url: http://localhost/v1, price: {prompt: 9}}
agents:
  - {name: executor, role: executor, backend: local, system: Work.}
  - {name: reviewer, role: peer_reviewer, backend: paid, system: Judge.}
"""
_MONEY = "agents: agents.yaml\nranking:\n  peers_review: %s\n  buying: {budget: {money: 1.0}}\n"


@pytest.mark.parametrize(
    ("local", "paid", "peers", "complaint"),
    [
        ("", "", "false", "paid has no price"),
        ("", ", price: {prompt: 1}", "false", None),
        ("", ", price: {prompt: 1}", "true", "local has no price"),
        (", price: {}", ", price: {prompt: 1}", "true", None),
        (", price: {}", ", price: {completion: 0}", "true", "local, paid cost nothing"),
    ],
)
def test_a_budget_in_money_needs_the_price_of_each_who_reviews(
    tmp_path: Path, local: str, paid: str, peers: str, complaint: str | None
) -> None:
    path = _write(tmp_path, _MONEY % peers, _PRICED % (local, paid))
    if complaint is None:
        config = load_config(path)
        assert parse_config(config.model_dump(mode="json")) == config
    else:
        with pytest.raises(ConfigError, match=complaint):
            load_config(path)


def test_peer_rank_is_refused_where_those_who_review_write_nothing(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, "agents: agents.yaml\nranking: {ranker: {kind: peer_rank}}\n"))
    with pytest.raises(ConfigError, match="peer_rank weighs a judge by its own results, but reviewer will"):
        config.check_judges_write()
    load_config(_write(tmp_path)).check_judges_write()


def test_a_wrong_agent_is_one_complaint_not_two(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(
            _write(tmp_path, agents=AGENTS.replace("executor,", "worker,").replace("role: exec", "role: x"))
        )
    assert len(str(caught.value).splitlines()) == 1


def test_two_mistakes_are_both_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, "agents: agents.yaml\nsed: 1\ngoals:\n  n: 0\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_an_override_wins_and_is_checked(tmp_path: Path) -> None:
    path = _write(tmp_path, "agents: agents.yaml\ngoals: {n: 7}\n")
    assert load_config(path, {"goals.n": 5, "ranking.ranker": {"kind": "win_rate"}}).goals.n == 5
    with pytest.raises(ConfigError, match="unknown key"):
        load_config(path, {"goals.nn": 5})
    with pytest.raises(ConfigError, match="is a value, not a section"):
        load_config(path, {"goals.n.m": 5})


def test_a_wrong_override_is_named_as_one_and_not_by_a_line_of_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "agents: agents.yaml\ngoals: {n: 7}\ntraining: {micro_batch_size: 4}\n")
    with pytest.raises(ConfigError, match=r"^--set goals.n: Input should be greater than 0, got 0$"):
        load_config(path, {"goals.n": 0})
    with pytest.raises(ConfigError, match=r"^--set ranking.ranker.kind: there is no 'elo'; valid are"):
        load_config(path, {"ranking.ranker.kind": "elo"})
    with pytest.raises(ConfigError, match=r"cycle.yaml:3 with --set training.batch_size: training: .*10"):
        load_config(path, {"training.batch_size": 10})
    with pytest.raises(ConfigError, match=r"cycle.yaml:2: goals.n: .*got 0"):
        load_config(_write(tmp_path, "agents: agents.yaml\ngoals: {n: 0}\n"), {"seed": 3})


@pytest.mark.parametrize(
    ("named", "calls"),
    [
        (OverrideName.OPTION, "--set goals.nn"),
        (OverrideName.LINE, "goals.nn"),
        (OverrideName.MEMBER, 'overrides["goals.nn"]'),
    ],
)
def test_a_wrong_override_is_called_as_it_was_given(tmp_path: Path, named: OverrideName, calls: str) -> None:
    path = _write(tmp_path, "agents: agents.yaml\ngoals: {n: 7}\ntraining: {micro_batch_size: 4}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"goals.nn": 5}, named)
    assert str(caught.value).startswith(f"{calls}: unknown key")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"goals.n.nn": 5}, named)
    assert str(caught.value).startswith(f"{calls.replace('nn', 'n.nn')}: 'n' is a value")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"training.batch_size": 10}, named)
    assert f" with {named.of('training.batch_size')}: training: " in str(caught.value)


def test_another_kind_in_a_stored_config_brings_its_own_defaults(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))
    changed = with_overrides(
        config, {"ranking.ranker.prior_votes": 3, "ranking.ranker.kind": "win_rate", "export.min_weight": 0.5}
    )
    assert changed.ranking.ranker == WinRateConfig(kind="win_rate", prior_votes=3)
    assert changed.export.min_weight == 0.5
    assert with_overrides(config, {}) == config
    with pytest.raises(ConfigError, match=r"^--set export.min_weigth: unknown key; did you mean"):
        with_overrides(config, {"export.min_weigth": 0.5})


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "nothing.yaml")


def test_scripted_replies_are_found_beside_their_agents_file(tmp_path: Path) -> None:
    agents = AGENTS.replace("{kind: transformers}", "{kind: scripted, path: replies.jsonl}")
    backend = load_config(_write(tmp_path, agents=agents)).agents.backends["policy"]
    assert backend.model_dump()["path"] == (tmp_path / "replies.jsonl").resolve()


def test_paths_follow_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMELX_DATABASE_URL", raising=False)
    settings = Settings(root=tmp_path)
    assert settings.resolved_database_url == f"sqlite:///{tmp_path}/data/camelx.db"
    assert settings.cycle_dir("c1") == tmp_path / "data" / "c1"
    assert Settings(root=tmp_path, database_url="postgresql://x").resolved_database_url == "postgresql://x"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s3cret@host/db", "postgresql://ann:***@host/db"),
        ("sqlite:////data/camelx.db", "sqlite:////data/camelx.db"),
        ("http://host:5000", "http://host:5000"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_every_config_section_says_what_it_is_for() -> None:
    def sections(schema: dict) -> dict:
        return {name: s for name, s in schema["$defs"].items() if s["type"] == "object"}

    for name, section in sections(RunConfig.model_json_schema()).items():
        assert section.get("description"), name
