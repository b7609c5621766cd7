"""Preference pairs in, an adapter directory out: DPO with LoRA, by TRL and PEFT.

`train_dpo` reads the validated pairs file, continues the champion's LoRA on its base model (or starts a
new one) and writes an adapter directory that is there only when it is whole. The training stage calls it;
`camelx.cycles.policies` asks for `base_sha256`. It is the only room that imports trl.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is first imported

from camelx.training.dpo import TrainingResult, train_dpo
from camelx.training.provenance import base_sha256

__all__ = ["TrainingResult", "base_sha256", "train_dpo"]
