# SPDX-License-Identifier: Apache-2.0
"""What the engines are compared with: transformers' own parts, and plain slow decoding."""


def image_processor():
    """Return transformers' Pillow image processor, its second step not capped."""
    try:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil as Processor,
        )
    except ImportError:  # transformers 4
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import (
            Qwen2VLImageProcessor as Processor,
        )
    return Processor(min_pixels=56 * 56, max_pixels=1 << 40)


def logits(model, inputs, **more):
    """Return the logits of one pass without a cache, (1, n, vocabulary)."""
    import torch

    with torch.inference_mode():
        return model.engine.network(**inputs, **more).logits


def positions(ids, grids):
    """Return M-RoPE positions (3, 1, n): a picture's tokens lie on a grid, text follows."""
    import torch

    rows, start, place, grids = [], 0, 0, iter(grids)
    while place < len(ids):
        if ids[place] != 151655:
            rows.append((start, start, start))
            start, place = start + 1, place + 1
            continue
        _, height, width = next(grids)
        height, width = height // 2, width // 2
        rows += [(start, start + y, start + x) for y in range(height) for x in range(width)]
        start, place = start + max(height, width), place + height * width
    return torch.tensor(rows).T[:, None]


def greedy(model, inputs, count):
    """Decode without a cache, with positions by hand: slow and plain."""
    import torch

    inputs = {**inputs, 'attention_mask': None}
    inputs.pop('mm_token_type_ids', None)
    grids, written = inputs['image_grid_thw'].tolist(), []
    for _ in range(count):
        by_hand = positions(inputs['input_ids'][0].tolist(), grids)
        token = logits(model, inputs, position_ids=by_hand, logits_to_keep=1)[0, -1].argmax()
        written.append(int(token))
        inputs['input_ids'] = torch.cat([inputs['input_ids'], token[None, None]], 1)
    return written
