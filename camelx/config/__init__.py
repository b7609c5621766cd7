"""Everything that can be configured: `RunConfig` from YAML, `Settings` from the environment.

`load_config` reads the two YAML files once and checks them. The result is frozen and is stored with the
cycle as JSON; nothing reads YAML after this. Called by the command line and by the flow; every other room
is handed its own section.
"""

from camelx.config.agents import (
    DEMO_MODEL_DIR,
    AgentConfig,
    AgentsConfig,
    BackendConfig,
    CamelBackendConfig,
    OpenAIBackendConfig,
    PriceConfig,
    RetryConfig,
    SamplingConfig,
    ScriptedBackendConfig,
    TransformersBackendConfig,
)
from camelx.config.choosing import check_overrides, chosen_config, config_names, parsed_overrides
from camelx.config.cycle import (
    EvaluationConfig,
    ExportConfig,
    GateConfig,
    GenerationConfig,
    GoalsConfig,
    LoraSettings,
    PolicyConfig,
    RunConfig,
    TrainingConfig,
    ValidationConfig,
)
from camelx.config.environment import (
    Settings,
    is_loopback,
    is_missing,
    settings,
    without_password,
)
from camelx.config.loading import (
    OverrideName,
    load_config,
    parse_config,
    with_overrides,
)
from camelx.config.mistakes import (
    Mistake,
    agents_mistakes,
    parse_agents,
    plain_document,
)
from camelx.config.ranking import (
    BradleyTerryConfig,
    BudgetConfig,
    BuyingConfig,
    DiscussionConfig,
    PanelLimits,
    PeerRankConfig,
    RankerConfig,
    RankingConfig,
    ReliablePeerRankConfig,
    WinRateConfig,
)
from camelx.config.secrets import masked, secret_lines

__all__ = [
    "DEMO_MODEL_DIR",
    "AgentConfig",
    "AgentsConfig",
    "BackendConfig",
    "BradleyTerryConfig",
    "BudgetConfig",
    "BuyingConfig",
    "CamelBackendConfig",
    "DiscussionConfig",
    "EvaluationConfig",
    "ExportConfig",
    "GateConfig",
    "GenerationConfig",
    "GoalsConfig",
    "LoraSettings",
    "Mistake",
    "OpenAIBackendConfig",
    "OverrideName",
    "PanelLimits",
    "PeerRankConfig",
    "PolicyConfig",
    "PriceConfig",
    "RankerConfig",
    "RankingConfig",
    "ReliablePeerRankConfig",
    "RetryConfig",
    "RunConfig",
    "SamplingConfig",
    "ScriptedBackendConfig",
    "Settings",
    "TrainingConfig",
    "TransformersBackendConfig",
    "ValidationConfig",
    "WinRateConfig",
    "agents_mistakes",
    "check_overrides",
    "chosen_config",
    "config_names",
    "is_loopback",
    "is_missing",
    "load_config",
    "masked",
    "parse_agents",
    "parse_config",
    "parsed_overrides",
    "plain_document",
    "secret_lines",
    "settings",
    "with_overrides",
    "without_password",
]
