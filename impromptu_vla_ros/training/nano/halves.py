# SPDX-License-Identifier: Apache-2.0
"""Products in bfloat16, where the processor has them; weights and sums stay in float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any

# So many pictures or rows go through attention at a time: what they need stays in the cache.
TOGETHER = 4


def product(x: Any, weight: Any) -> Any:
    """Return the product of x (…, n) and the transpose of weights (m, n)."""
    return _product().apply(x, weight) if _supported() else x @ weight.t()


def together(layers: Sequence[Any], x: Any) -> Sequence[Any]:
    """Return what each of some linear layers makes of x (…, n), by one product."""
    import torch

    weight = torch.cat([layer.weight for layer in layers])
    found = product(x, weight) + torch.cat([layer.bias for layer in layers])
    parts: Sequence[Any] = found.split([len(layer.weight) for layer in layers], -1)
    return parts


def gated(part: Any, x: Any) -> Any:
    """Return what a gated MLP of transformers makes of x (…, n)."""
    import torch

    if not _supported():
        return part(x)
    both = torch.cat([part.gate_proj.weight, part.up_proj.weight])
    bias = part.gate_proj.bias is not None
    off = torch.cat([part.gate_proj.bias, part.up_proj.bias]) if bias else None
    found = _gated().apply(x, both, off, part.down_proj.weight)
    return found + part.down_proj.bias if bias else found


def attention(queries: Any, keys: Any, values: Any, together: Any | None) -> Any:
    """
    Return what queries (b, heads, n, width) find, among those they are `together` with (n, keys).

    In bfloat16 it takes two thirds of the time.
    """
    import torch

    if not _supported():
        found = torch.nn.functional.scaled_dot_product_attention
        return found(queries, keys, values, together)
    apart = queries.new_zeros(()) if together is None else torch.where(together, 0.0, -torch.inf)
    queries = queries * queries.shape[-1] ** -0.5
    halved = (each.bfloat16() for each in (queries, keys, values))
    return _attention().apply(*halved, apart).float()


@cache
def _supported() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported())


def halve(modules: Iterable[Any]) -> None:
    """
    Let all linear layers of some modules multiply in bfloat16, where the processor does.

    They take a third of the time then, and a step of training six tenths. Autocast would turn all
    that lies between them into bfloat16 too, which on a CPU takes as long as it saves.
    """
    import torch

    if not _supported():
        return
    for module in modules:
        for part in module.modules():
            if isinstance(part, torch.nn.Linear):
                part.forward = partial(_linear, part)


def _linear(layer: Any, x: Any) -> Any:
    found = product(x, layer.weight)
    return found if layer.bias is None else found + layer.bias


@cache
def _product() -> Any:
    import torch

    class Product(torch.autograd.Function):  # type: ignore[misc]
        """The product of x (…, n) and the transpose of weights (m, n)."""

        @staticmethod
        def forward(context: Any, x: Any, weight: Any) -> Any:
            x, weight = x.bfloat16(), weight.bfloat16()
            context.save_for_backward(x, weight)
            return (x @ weight.t()).float()

        @staticmethod
        def backward(context: Any, off: Any) -> tuple[Any, Any]:
            x, weight = context.saved_tensors
            off = off.bfloat16()
            return (off @ weight).float(), (off.flatten(0, -2).t() @ x.flatten(0, -2)).float()

    return Product


@cache
def _gated() -> Any:
    import torch

    class Gated(torch.autograd.Function):  # type: ignore[misc]
        """A gated MLP of x (…, n), by the weights of gate and sum in one."""

        @staticmethod
        def forward(context: Any, x: Any, both: Any, bias: Any, down: Any) -> Any:
            x, both, down = (each.bfloat16() for each in (x, both, down))
            mixed = x @ both.t() if bias is None else x @ both.t() + bias.bfloat16()
            gate, up = mixed.chunk(2, -1)
            found = torch.nn.functional.silu(gate).mul_(up)
            context.save_for_backward(x, both, down, mixed, found)
            context.bias = bias is not None
            return (found @ down.t()).float()

        @staticmethod
        def backward(context: Any, off: Any) -> tuple[Any, ...]:
            x, both, down, mixed, found = context.saved_tensors
            off = off.bfloat16()
            gate, up = mixed.chunk(2, -1)
            ahead, ends = off @ down, torch.empty_like(mixed)
            first, second = ends.chunk(2, -1)
            torch.mul(ahead, torch.nn.functional.silu(gate), out=second)
            torch.ops.aten.silu_backward.grad_input(ahead.mul_(up), gate, grad_input=first)
            flat = ends.flatten(0, -2)
            return (
                (ends @ both).float(),
                (flat.t() @ x.flatten(0, -2)).float(),
                flat.sum(0, dtype=torch.float) if context.bias else None,
                (off.flatten(0, -2).t() @ found.flatten(0, -2)).float(),
            )

    return Gated


@cache
def _attention() -> Any:
    import torch

    class Attention(torch.autograd.Function):  # type: ignore[misc]
        """Attention of scaled queries, with what keeps them apart (n, keys) added."""

        @staticmethod
        def forward(context: Any, queries: Any, keys: Any, values: Any, apart: Any) -> Any:
            shares = queries.new_empty(*queries.shape[:3], keys.shape[2])
            found = torch.empty_like(queries)
            for few in _few(len(queries)):
                fitting = (queries[few] @ keys[few].transpose(-1, -2)).float() + apart
                shares[few] = torch.softmax(fitting, -1)
                torch.matmul(shares[few], values[few], out=found[few])
            context.save_for_backward(queries, keys, values, shares, found)
            return found

        @staticmethod
        def backward(context: Any, off: Any) -> tuple[Any, ...]:
            queries, keys, values, shares, found = context.saved_tensors
            mean = (off.float() * found.float()).sum(-1, keepdim=True).bfloat16()
            off = off.bfloat16()
            ends = [torch.empty_like(each) for each in (queries, keys, values)]
            for few in _few(len(queries)):
                torch.matmul(shares[few].transpose(-1, -2), off[few], out=ends[2][few])
                fitting = off[few] @ values[few].transpose(-1, -2)
                fitting -= mean[few]
                fitting *= shares[few]
                torch.matmul(fitting, keys[few], out=ends[0][few])
                torch.matmul(fitting.transpose(-1, -2), queries[few], out=ends[1][few])
            return *ends, None

    return Attention


def _few(count: int) -> Iterator[slice]:
    return (slice(first, first + TOGETHER) for first in range(0, count, TOGETHER))
