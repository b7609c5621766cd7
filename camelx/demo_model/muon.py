"""The Muon optimizer in full precision: momentum whose update is made orthogonal.

torch's own Muon runs its iteration in bfloat16, which is many times slower on CPUs without bfloat16 units. A
pilot showed no clear difference from AdamW alone; it stays because the shipped weights were trained with it.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon/; the scale of the update is Moonshot AI's, arXiv:2502.16982, eq. 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class Muon(torch.optim.Optimizer):  # type: ignore[misc]  # torch is not followed by the checker
    """Muon for matrices; give vectors and embeddings to AdamW."""

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def step(self, closure: Any = None) -> None:
        """Take one step on the gradients that are there; `closure` is not supported."""
        with torch.no_grad():
            for group in self.param_groups:
                by_shape: dict[tuple[int, ...], list[torch.Tensor]] = {}
                for parameter in group["params"]:
                    by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
                for same in by_shape.values():
                    self._step_together(same, group)

    def _step_together(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        """Step matrices of one shape in one batched iteration."""
        updates = []
        for parameter in parameters:
            state = self.state[parameter]
            momentum = state.setdefault("momentum", torch.zeros_like(parameter))
            momentum.lerp_(parameter.grad, 1 - group["momentum"])
            updates.append(parameter.grad.lerp(momentum, group["momentum"]))
        orthogonal = orthogonalize(torch.stack(updates))
        scale = 0.2 * max(orthogonal.shape[-2:]) ** 0.5
        for parameter, update in zip(parameters, orthogonal, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonalize(matrices: torch.Tensor, n_iterations: int = 5) -> torch.Tensor:
    """Return matrices `(n, rows, columns)` with their singular values moved near 1, by Newton-Schulz."""
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if is_tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(n_iterations):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if is_tall else x
