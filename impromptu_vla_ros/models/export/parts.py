# SPDX-License-Identifier: Apache-2.0
"""A network of transformers into its parts, each as what is traced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.export.decoder import decode, decoder_weights
from impromptu_vla_ros.models.export.tracing import Traceable
from impromptu_vla_ros.models.export.vision import see, vision_weights
from impromptu_vla_ros.models.manifest import Shape
from impromptu_vla_ros.models.windows import picture_inputs

# Any picture does to trace with, if it has a window that is not full.
EXAMPLE_GRID = (1, 12, 8)


def shape_of(config: Any) -> Shape:
    """Return the numbers of a Qwen2_5_VLConfig; raise ModelError for what is not exported."""
    text, vision = config.text_config, config.vision_config
    rope = _rope(text)
    for name, found, wanted in (
        ('hidden_act', text.hidden_act, 'silu'),
        ('hidden_act of the vision tower', vision.hidden_act, 'silu'),
        ('use_sliding_window', bool(text.use_sliding_window), False),
        ('rope_type', rope.get('rope_type', rope.get('type')) in ('default', 'mrope'), True),
        ('spatial_merge_size', vision.spatial_merge_size, 2),
        ('patch_size', vision.patch_size, 14),
        ('temporal_patch_size', vision.temporal_patch_size, 2),
    ):
        if found != wanted:
            raise ModelError(f'the checkpoint has {name} {found}, and {wanted} only is exported')
    return Shape(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=text.hidden_size // text.num_attention_heads,
        vocabulary=text.vocab_size,
        epsilon=text.rms_norm_eps,
        window=vision.window_size // vision.patch_size,
        image_token=config.image_token_id,
    )


def vision_part(network: Any, shape: Shape) -> Traceable:
    """Return the vision tower; its weights are taken out of the network."""
    import torch

    tower = network.model.visual
    config = SimpleNamespace(
        depth=tower.config.depth,
        num_heads=tower.config.num_heads,
        fullatt_block_indexes=tuple(tower.config.fullatt_block_indexes),
    )
    weights = vision_weights(tower)
    told = [torch.from_numpy(each) for each in picture_inputs(EXAMPLE_GRID, shape.window)]
    patches = told[0].shape[1]
    return Traceable(
        lambda weights, *inputs: see(weights, config, *inputs),
        weights,
        (torch.zeros(patches, len(weights['patches']), dtype=weights['patches'].dtype), *told),
        ({0: 'patches'}, {1: 'patches'}, {0: 'windows'}, {0: 'patches'}),
        ('values', 'positions', 'slots', 'places'),
        ('features',),
    )


def decoder_part(network: Any, shape: Shape, transposed: bool) -> Traceable:
    """
    Return the language model with its head; its weights are taken out of the network.

    The head is `transposed` to (hidden, vocabulary) as all others are, or stays as it lies in
    the table of embeddings.
    """
    import torch

    rope = _rope(network.config.text_config)
    told = SimpleNamespace(sections=rope['mrope_section'], theta=rope['rope_theta'])
    weights = decoder_weights(network.model.language_model, network.lm_head, told)
    if transposed:
        weights['head'] = weights['head'].t().contiguous()
    kind = weights['head'].dtype
    past = [torch.zeros(5, shape.kv_heads, shape.head_dim, dtype=kind) for _ in shape.caches]
    return Traceable(
        lambda weights, *inputs: decode(weights, shape, *inputs),
        weights,
        (
            torch.zeros(7, shape.hidden, dtype=kind),
            torch.zeros(3, 7, dtype=torch.long),
            torch.tensor([5, 6, 1]),
            past,
        ),
        ({0: 'count'}, {1: 'count'}, {0: 'wanted'}, [{0: 'length'} for _ in past]),
        ('embeddings', 'positions', 'rows', *(f'past_{name}' for name in shape.caches)),
        ('logits', *(f'new_{name}' for name in shape.caches)),
    )


def _rope(text: Any) -> dict[str, Any]:
    """Return the rotary parameters, which transformers 4 keeps in two places."""
    told = getattr(text, 'rope_parameters', None) or text.rope_scaling
    return {'rope_theta': getattr(text, 'rope_theta', None), **told}
