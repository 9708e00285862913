# SPDX-License-Identifier: Apache-2.0
"""
A real Qwen2.5-VL with random weights and the real vocabulary, small enough for tests.

The vocabulary comes from the `dashscope` wheel, which ships Qwen's `qwen.tiktoken` as ranks;
the merges are found again from them. Nothing is downloaded.
"""

import base64
import importlib.resources
import json
from pathlib import Path

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r'|\s*[\r\n]+|\s+(?!\S)|\s+'
)

# Their ids are 151643 and up, in this order.
SPECIAL = (
    '<|endoftext|>',
    '<|im_start|>',
    '<|im_end|>',
    '<|object_ref_start|>',
    '<|object_ref_end|>',
    '<|box_start|>',
    '<|box_end|>',
    '<|quad_start|>',
    '<|quad_end|>',
    '<|vision_start|>',
    '<|vision_end|>',
    '<|vision_pad|>',
    '<|image_pad|>',
    '<|video_pad|>',
)
ADDED = (
    '<tool_call>',
    '</tool_call>',
    '<|fim_prefix|>',
    '<|fim_middle|>',
    '<|fim_suffix|>',
    '<|fim_pad|>',
    '<|repo_name|>',
    '<|file_sep|>',
)
VOCABULARY = 151936


def build_tiny_checkpoint(
    directory, seed=0, repetition_penalty=1.05, text=(), vision=(), spread=0.15
):
    """
    Write a Qwen2.5-VL of 10 M parameters into `directory`, which is made, and return it.

    As in a fine-tuned checkpoint generation_config.json penalizes repetition, and
    preprocessor_config.json is not there. `text` and `vision` are entries of the configuration
    to change; the wider a network, the smaller must be the `spread` of its weights. Takes
    seconds; needs torch, transformers, dashscope.
    """
    import torch
    from transformers import GenerationConfig, Qwen2_5_VLConfig
    from transformers import Qwen2_5_VLForConditionalGeneration as Network

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    build_tokenizer(directory / 'tokenizer.json')
    config = Qwen2_5_VLConfig(
        text_config={
            'hidden_size': 64,
            'intermediate_size': 128,
            'num_hidden_layers': 2,
            'num_attention_heads': 4,
            'num_key_value_heads': 2,
            'vocab_size': VOCABULARY,
            'max_position_embeddings': 8192,
            'rope_parameters': {
                'rope_type': 'default',
                'rope_theta': 1e6,
                'mrope_section': [2, 3, 3],
            },
            'rope_scaling': {'type': 'mrope', 'mrope_section': [2, 3, 3]},
            'rope_theta': 1e6,
            'tie_word_embeddings': True,
            **dict(text),
        },
        vision_config={
            'depth': 2,
            'hidden_size': 32,
            'intermediate_size': 64,
            'num_heads': 2,
            'out_hidden_size': 64,
            'fullatt_block_indexes': [1],
            **dict(vision),
        },
        tie_word_embeddings=dict(text).get('tie_word_embeddings', True),
        image_token_id=151655,
        video_token_id=151656,
        vision_start_token_id=151652,
        vision_end_token_id=151653,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(config)
        # With transformers' small initial weights all logits are nearly equal, and every
        # picture would get the same answer.
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=0.6 if 'embed_tokens' in name else spread)
    network.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.1,
        top_k=1,
        top_p=0.001,
        repetition_penalty=repetition_penalty,
        eos_token_id=[151645, 151643],
        pad_token_id=151643,
    )
    network.save_pretrained(directory, safe_serialization=True)
    return directory


def build_tokenizer(path):
    """Write Qwen's tokenizer to `path` in the format of the library `tokenizers`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    ranks = read_ranks()
    letters = _letters()
    spelled = {token: ''.join(letters[byte] for byte in token) for token in ranks}
    merges = [
        tuple(spelled[part] for part in _halves(token, ranks)) for token in ranks if len(token) > 1
    ]
    vocabulary = {spelled[token]: rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), 'isolated'),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ADDED])
    tokenizer.save(str(path))


def rewrite_config(directory, **changes):
    """Change entries of a checkpoint's config.json."""
    path = Path(directory) / 'config.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def read_ranks():
    """Return the bytes and id of each ordinary token."""
    lines = importlib.resources.files('dashscope').joinpath('resources/qwen.tiktoken').read_bytes()
    pairs = (line.split() for line in lines.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _halves(token, ranks):
    """Return the two tokens whose merge made `token`: merge by rank until two are left."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, len(ranks)) for a, b in zip(parts, parts[1:])]
        place = pairs.index(min(pairs))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def _letters():
    """Return the printable letter that byte-level BPE writes for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{byte: chr(byte) for byte in printable},
        **{byte: chr(256 + place) for place, byte in enumerate(others)},
    }
