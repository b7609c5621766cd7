"""The part that imports torch, PEFT and TRL: policy, reference, trainer, checkpoints.

The policy is the base with the parent's LoRA made trainable, or with a new LoRA. The reference of DPO is
the policy as it starts: its log-probabilities are computed once before the first step. TRL keeps a frozen
copy of the adapter under the name "ref" for that; it is dropped as soon as they are there, so neither the
checkpoints nor the result hold it.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, DPOTrainer

from camelx.adapters import ADAPTER_WEIGHTS
from camelx.config import TrainingConfig
from camelx.errors import TrainingError
from camelx.runtime import progress
from camelx.runtime.clock import add_model_seconds
from camelx.schemas import Stage
from camelx.training.pairs import Conversation

OnMetrics = Callable[[int, dict[str, float]], None]

_ROBUST_SMOOTHING = 0.1  # share of flipped labels that the robust loss assumes; TRL's advice


def load_base(base: str, settings: TrainingConfig) -> PreTrainedModel:
    """Return the base model: bfloat16 on a GPU that has it, spread where several are visible."""
    dtype = torch.bfloat16 if _uses_bfloat16(settings) and torch.cuda.is_available() else torch.float32
    device_map = "auto" if torch.cuda.device_count() > 1 else None
    return AutoModelForCausalLM.from_pretrained(
        base, dtype=dtype, device_map=device_map, use_safetensors=True
    )


def _uses_bfloat16(settings: TrainingConfig) -> bool:
    if settings.dtype == "auto":
        return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported())
    return settings.dtype == "bfloat16"


def load_policy(
    base: PreTrainedModel, parent_adapter: Path | None, settings: TrainingConfig, seed: int
) -> PeftModel:
    """Return the base with a trainable LoRA: the parent's, whose shape is kept, or a new one.

    Raises:
        TrainingError: The parent's weights do not fit this base layer by layer.
    """
    set_seed(seed)
    if parent_adapter is None:
        targets = settings.lora.target_modules
        return get_peft_model(
            base,
            LoraConfig(
                r=settings.lora.rank,
                lora_alpha=settings.lora.alpha,
                lora_dropout=settings.lora.dropout,
                target_modules=targets if isinstance(targets, str) else list(targets),
                task_type="CAUSAL_LM",
            ),
        )
    try:
        policy = PeftModel.from_pretrained(base, str(parent_adapter), is_trainable=True)
    except RuntimeError as e:  # weights of another size
        raise _does_not_fit(parent_adapter, str(e).splitlines()[-1].strip()) from e
    with safe_open(parent_adapter / ADAPTER_WEIGHTS, "pt") as weights:
        stored = set(weights.keys())
    unmatched = stored ^ set(get_peft_model_state_dict(policy))  # PEFT only warns of these
    if unmatched:
        raise _does_not_fit(parent_adapter, f"{len(unmatched)} layers do not match, such as {min(unmatched)}")
    return policy


def _does_not_fit(parent_adapter: Path, why: str) -> TrainingError:
    return TrainingError(
        f"parent adapter {parent_adapter} does not fit the base model: {why}; it belongs to another base"
    )


@dataclasses.dataclass
class _AdapterConfig(DPOConfig):  # type: ignore[misc]
    warmup_share: float = 0.0

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """Return the share of the steps, never all: the first step of a warm-up changes nothing."""
        return min(math.ceil(num_training_steps * self.warmup_share), num_training_steps - 1)


def trainer_config(settings: TrainingConfig, work: Path, seed: int) -> DPOConfig:
    """Return the settings in TRL's terms; on a CPU without what only a GPU has."""
    on_gpu = torch.cuda.is_available()
    has_sft = settings.sft_weight > 0
    return _AdapterConfig(
        output_dir=str(work),
        beta=settings.beta,
        loss_type=[settings.loss, "sft"] if has_sft else [settings.loss],
        loss_weights=[1.0, settings.sft_weight] if has_sft else [1.0],
        label_smoothing=_ROBUST_SMOOTHING if settings.loss == "robust" else 0.0,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=settings.batch_size // settings.micro_batch_size,
        warmup_share=settings.warmup_share,
        max_length=None,  # TRL would cut and drop; check_rows has refused what is too long
        precompute_ref_log_probs=True,
        disable_dropout=settings.lora.dropout == 0,  # TRL's default would switch LoRA's dropout off
        seed=seed,
        data_seed=seed,
        use_cpu=not on_gpu,
        bf16=_uses_bfloat16(settings),
        activation_checkpointing=on_gpu,
        dataloader_pin_memory=on_gpu,
        save_steps=settings.checkpoint_steps,
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would hide the loss that must stop the run
        report_to=[],
        disable_tqdm=True,
    )


class AdapterTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's trainer, with the time inside the model measured and nothing sent out.

    A pair's `weight` is not used here: TRL has no column for it and its loss has no place for one. The
    weight decides on export which pairs are trained on.
    """

    def __init__(self, **arguments: Any) -> None:
        self.model_seconds = 0.0
        super().__init__(**arguments)
        if "ref" in self.model.peft_config:
            self.model.delete_adapter("ref")

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
        """Return what TRL computes, with its time added to `model_seconds`."""
        start = time.perf_counter()
        log_probs = super().compute_ref_log_probs(model, inputs)
        seconds = time.perf_counter() - start
        self.model_seconds += seconds
        add_model_seconds(seconds)
        return log_probs

    def _send_telemetry(self) -> None:
        """Send nothing."""


class _StepReports(TrainerCallback):  # type: ignore[misc]
    """Reports each step, adds up its time, and stops a run whose loss is no number."""

    def __init__(self, on_metrics: OnMetrics, cycle_id: str) -> None:
        self.on_metrics = on_metrics
        self.cycle_id = cycle_id
        self.seconds = 0.0
        self._started = 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._started = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        seconds = time.perf_counter() - self._started
        self.seconds += seconds
        add_model_seconds(seconds)
        progress.report(
            progress.Progress(self.cycle_id, Stage.TRAIN, state.global_step, state.max_steps, "steps")
        )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **_: Any,
    ) -> None:
        if "loss" not in logs:  # the summary after the last step
            return
        for name in ("loss", "grad_norm"):
            if not math.isfinite(logs.get(name, 0.0)):
                raise TrainingError(
                    f"{name} is {logs[name]} at step {state.global_step} of {state.max_steps}: training "
                    f"diverged; lower training.learning_rate (now {args.learning_rate:g}) or training.beta"
                )
        self.on_metrics(state.global_step, _numbers(logs))


def _numbers(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items() if isinstance(value, (int, float))}


def run_trainer(
    policy: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[dict[str, Conversation]],
    settings: TrainingConfig,
    *,
    work: Path,
    seed: int,
    cycle_id: str,
    on_metrics: OnMetrics,
) -> tuple[list[dict[str, float]], float]:
    """Train the policy in place, from the last whole checkpoint in `work` where there is one.

    Returns:
        The metrics of every step, those before an interruption included, and the seconds that this call
        spent in the reference's forward passes and in training steps.
    """
    reports = _StepReports(on_metrics, cycle_id)
    with _quiet():
        trainer = AdapterTrainer(
            model=policy,
            args=trainer_config(settings, work, seed),
            train_dataset=datasets.Dataset.from_list(list(rows)),
            processing_class=tokenizer,
            callbacks=[reports],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=last_checkpoint(work))
    history = [_numbers(entry) for entry in trainer.state.log_history if "loss" in entry]
    return history, trainer.model_seconds + reports.seconds


def last_checkpoint(work: Path) -> str | None:
    """Return the newest whole checkpoint; the remains of one that was being written are removed.

    The trainer's state is the last file written, so a checkpoint without a readable one is not whole.
    """
    while (newest := get_last_checkpoint(str(work))) is not None:
        try:
            TrainerState.load_from_json(str(Path(newest, "trainer_state.json")))
        except (OSError, ValueError, TypeError):
            shutil.rmtree(newest)
        else:
            return str(newest)
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Switch the libraries' own progress bars off inside the block: camelx draws its own."""
    had_bars = datasets.are_progress_bars_disabled()
    before = os.environ.get("TQDM_DISABLE")
    datasets.disable_progress_bars()
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if not had_bars:
            datasets.enable_progress_bars()
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before
