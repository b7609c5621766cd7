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
    RetryConfig,
    SamplingConfig,
    ScriptedBackendConfig,
    TransformersBackendConfig,
)
from camelx.config.cycle import (
    BradleyTerryConfig,
    EvaluationConfig,
    ExportConfig,
    GateConfig,
    GenerationConfig,
    GoalsConfig,
    LoraSettings,
    PeerRankConfig,
    PolicyConfig,
    RankerConfig,
    RankingConfig,
    RunConfig,
    TrainingConfig,
    ValidationConfig,
    WinRateConfig,
)
from camelx.config.environment import (
    Settings,
    settings,
    without_password,
)
from camelx.config.loading import (
    load_config,
    parse_config,
)

__all__ = [
    "DEMO_MODEL_DIR",
    "AgentConfig",
    "AgentsConfig",
    "BackendConfig",
    "BradleyTerryConfig",
    "CamelBackendConfig",
    "EvaluationConfig",
    "ExportConfig",
    "GateConfig",
    "GenerationConfig",
    "GoalsConfig",
    "LoraSettings",
    "OpenAIBackendConfig",
    "PeerRankConfig",
    "PolicyConfig",
    "RankerConfig",
    "RankingConfig",
    "RetryConfig",
    "RunConfig",
    "SamplingConfig",
    "ScriptedBackendConfig",
    "Settings",
    "TrainingConfig",
    "TransformersBackendConfig",
    "ValidationConfig",
    "WinRateConfig",
    "load_config",
    "parse_config",
    "settings",
    "without_password",
]
