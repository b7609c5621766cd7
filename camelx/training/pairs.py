"""The pairs file as TRL's rows, and the checks that TRL itself makes silently or not at all.

TRL drops a row whose prompt is too long, cuts one whose answer is, and trains without a word on a chat
template that never ends the assistant's turn. Each of these is an error here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camelx.errors import TrainingError
from camelx.prompts import control_pattern, disarmed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Conversation = list[dict[str, str]]


def read_rows(parquet: Path) -> list[dict[str, Conversation]]:
    """Return the pairs of a file as rows of prompt, chosen and rejected, each a list of messages.

    Raises:
        TrainingError: The file is missing, is not a pairs file, or has no rows.
    """
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    if not parquet.is_file():
        raise TrainingError(f"pairs file {parquet} does not exist; run the export stage first")
    columns = ["prompt", "chosen", "rejected"]
    try:
        missing = set(columns) - set(pq.read_schema(parquet).names)
        if missing:
            raise TrainingError(f"pairs file {parquet} has no column {', '.join(sorted(missing))}")
        rows = pq.read_table(parquet, columns=columns).to_pylist()
    except (ArrowException, OSError) as e:  # a broken compressed block is an OSError
        raise TrainingError(
            f"pairs file {parquet} is not readable parquet: {e}; run the export stage again"
        ) from e
    if not rows:
        raise TrainingError(
            f"pairs file {parquet} has 0 rows: nothing can be trained; see the export's counts"
        )
    return [{column: _turns(row[column]) for column in columns} for row in rows]


def _turns(value: str | Conversation) -> Conversation:
    """Return an answer as one assistant turn; a list of messages stays what it is."""
    return [{"role": "assistant", "content": value}] if isinstance(value, str) else value


def disarmed_rows(
    rows: Sequence[dict[str, Conversation]], tokenizer: PreTrainedTokenizerBase
) -> list[dict[str, Conversation]]:
    """Return the rows with control tokens in their texts broken, as they were when agents were asked."""
    control = control_pattern(tokenizer)

    def safe(turns: Conversation) -> Conversation:
        return [{**turn, "content": disarmed(turn["content"], control)} for turn in turns]

    return [{column: safe(turns) for column, turns in row.items()} for row in rows]


def check_rows(
    rows: Sequence[dict[str, Conversation]],
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    max_length: int,
    parquet: Path,
) -> None:
    """Check that each conversation fits and that the model is taught to end its turn.

    Raises:
        TrainingError: The tokenizer has no chat template, a row is longer than `max_length` or than the
            model's context, or the template ends the assistant's turn without an end-of-sequence token.
    """
    if not tokenizer.chat_template:
        raise TrainingError("the base model's tokenizer has no chat template: camelx trains on conversations")
    conversations = [row["prompt"] + row[side] for row in rows for side in ("chosen", "rejected")]
    texts = tokenizer.apply_chat_template(conversations, tokenize=False)
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or max_length
    limit = min(max_length, context)
    lengths = [max(map(len, ids[2 * i : 2 * i + 2])) for i in range(len(rows))]
    too_long = [i for i, length in enumerate(lengths) if length > limit]
    if too_long:
        raise TrainingError(
            f"{len(too_long)} of {len(rows)} rows of {parquet} are longer than {limit} tokens "
            f"(training.max_length {max_length}, context of the base {context}); the first is row "
            f"{too_long[0]} with {lengths[too_long[0]]}, the longest has {max(lengths)}. "
            "Raise training.max_length, lower sampling.max_tokens of the agents, or take another base"
        )
    ends = _end_tokens(tokenizer, model)
    if ends.isdisjoint(ids[0][-3:]):  # some templates write a line feed after it
        raise TrainingError(
            "the chat template of the base model ends an assistant turn without an end-of-sequence token "
            f"(last tokens {ids[0][-3:]}, expected one of {sorted(ends)}): a model trained on it would not "
            "learn to stop; add eos_token to the template"
        )


def _end_tokens(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> set[int]:
    """Return the ids at which generation stops."""
    configured: Any = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return {i for i in (*ids, tokenizer.eos_token_id) if i is not None}
