# SPDX-License-Identifier: Apache-2.0
"""
Train test/data/tiny_planner: a real Qwen2.5-VL of a million weights that drives made-up drives.

    python test/train_tiny_planner.py

Nothing is downloaded and no recorded drive is seen. Stopped and started again it goes on from
the state that lies beside the checkpoint until it is done. Needs torch, transformers, dashscope.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from pruned_tokenizer import SPECIAL, write_pruned_tokenizer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_batches import Stage, make_batch
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import GenerationConfig, Qwen2_5_VLConfig
from transformers import Qwen2_5_VLForConditionalGeneration as Network

PLACE = Path(__file__).parent / 'data' / 'tiny_planner'
SEED = 5
# Steps, and the learning rate there as a share of the highest; linear in between.
RATES = (
    (-1, 0.0),
    (59, 1.0),
    (1080, 1.0),
    (1800, 0.02),
    (1820, 0.35),
    (2200, 0.0),
    (2220, 0.5),
    (2520, 0.0),
)
# Where the rate rises again the optimizers forget.
FORGOTTEN = (1800, 2200)
STEPS = 2520


STAGES = (
    Stage(0, 0.1),
    Stage(1260, 0.45),
    Stage(1800, 0.8),
    # Six points of numbers of any length are harder to count than ten of two decimals.
    Stage(2200, 0.5, kitti=0.25, end_weight=8.0),
)


def main():
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--out', type=Path, default=PLACE, help='folder of the checkpoint')
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train(args.out)


def make_network(tokenizer):
    """Return the untrained network for a tokenizer."""
    ids = {text: tokenizer.token_to_id(text) for text in SPECIAL}
    rope = {'mrope_section': [4, 6, 6]}
    config = Qwen2_5_VLConfig(
        text_config={
            'hidden_size': 128,
            'intermediate_size': 320,
            'num_hidden_layers': 4,
            'num_attention_heads': 4,
            'num_key_value_heads': 2,
            'vocab_size': tokenizer.get_vocab_size(),
            'max_position_embeddings': 8192,
            'rope_parameters': {**rope, 'rope_type': 'default', 'rope_theta': 1e6},
            'rope_scaling': {**rope, 'type': 'mrope'},
            'rope_theta': 1e6,
            'tie_word_embeddings': True,
            'bos_token_id': None,
            'eos_token_id': ids['<|im_end|>'],
            'pad_token_id': ids['<|endoftext|>'],
        },
        vision_config={
            'depth': 2,
            'hidden_size': 64,
            'intermediate_size': 128,
            'num_heads': 2,
            'out_hidden_size': 128,
            'fullatt_block_indexes': [1],
        },
        tie_word_embeddings=True,
        image_token_id=ids['<|image_pad|>'],
        video_token_id=ids['<|video_pad|>'],
        vision_start_token_id=ids['<|vision_start|>'],
        vision_end_token_id=ids['<|vision_end|>'],
    )
    torch.manual_seed(SEED)
    network = Network(config)
    # As fine-tuned checkpoints have it.
    network.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.1,
        top_k=1,
        top_p=0.001,
        repetition_penalty=1.05,
        eos_token_id=[ids['<|im_end|>'], ids['<|endoftext|>']],
        pad_token_id=ids['<|endoftext|>'],
    )
    return network


def losses(network, batch):
    """Return the mean loss of the tokens as they weigh, and of the answers' tokens alone."""
    ids, positions, weights, values, grids = map(torch.from_numpy, batch)
    hidden = network.model(
        input_ids=ids,
        position_ids=positions,
        pixel_values=values,
        image_grid_thw=grids,
        use_cache=False,
    ).last_hidden_state
    counted = weights[:, 1:] > 0.0
    logits = network.lm_head(hidden[:, :-1][counted])
    each = torch.nn.functional.cross_entropy(logits, ids[:, 1:][counted], reduction='none')
    weights = weights[:, 1:][counted]
    return (weights * each).sum() / weights.sum(), float(each.mean().detach())


def make_optimizers(network):
    """Return Muon for the matrices within, which learns from fewer steps, AdamW for the rest."""
    inner, ends, plain = [], [], []
    for name, weight in network.named_parameters():
        if weight.dim() == 1:
            plain.append(weight)
        else:
            (ends if weight.dim() > 2 or 'embed' in name else inner).append(weight)
    groups = [{'params': ends, 'weight_decay': 0.02}, {'params': plain, 'weight_decay': 0.0}]
    return (
        torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.98)),
        torch.optim.Muon(inner, lr=0.02, weight_decay=0.02),
    )


def train(out):
    """Train into the folder `out`, whose state lies beside it until all is done."""
    out.mkdir(parents=True, exist_ok=True)
    write_pruned_tokenizer(out / 'tokenizer.json')
    tokenizer = Tokenizer.from_file(str(out / 'tokenizer.json'))
    network = make_network(tokenizer).train()
    optimizers = make_optimizers(network)
    rates = [[group['lr'] for group in o.param_groups] for o in optimizers]
    state = out.with_name(out.name + '.state.safetensors')
    done = load_state(state, network, optimizers) if state.is_file() else 0
    bar = tqdm(range(done, STEPS), initial=done, total=STEPS, unit='step', dynamic_ncols=True)
    for step in bar:
        random = np.random.default_rng([SEED, step])
        if step in FORGOTTEN:
            optimizers = make_optimizers(network)
        stage = [stage for stage in STAGES if stage.begin <= step][-1]
        batch = make_batch(random, tokenizer, stage)
        scale = float(np.interp(step, *zip(*RATES)))
        loss, told = losses(network, batch)
        network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer, full in zip(optimizers, rates):
            for group, rate in zip(optimizer.param_groups, full):
                group['lr'] = scale * rate
            optimizer.step()
        bar.set_postfix(loss=f'{told:.3f}')
        if (step + 1) % 100 == 0:
            save_state(state, network, optimizers, step + 1)
    network.save_pretrained(out)
    count = sum(weight.numel() for weight in network.parameters())
    state.unlink(missing_ok=True)
    print(f'{out}: {count} weights, {time.process_time():.0f} s of CPU')


def save_state(path, network, optimizers, step):
    """Write weights and the optimizers' moments after `step` steps."""
    tensors = {f'network/{name}': weight.detach() for name, weight in network.named_parameters()}
    for place, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()['state'].items():
            for name, tensor in moments.items():
                tensors[f'{place}/{index}/{name}'] = tensor
    fresh = path.with_suffix('.new')
    save_file(tensors, fresh, {'step': str(step)})
    fresh.replace(path)


def load_state(path, network, optimizers):
    """Read what `save_state` wrote and return the steps done."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(tensors.pop(f'network/{name}'))
    states = [{}, {}]
    for key, tensor in tensors.items():
        place, index, name = key.split('/')
        states[int(place)].setdefault(int(index), {})[name] = tensor
    for optimizer, state in zip(optimizers, states):
        groups = optimizer.state_dict()['param_groups']
        optimizer.load_state_dict({'state': state, 'param_groups': groups})
    with safe_open(path, 'pt') as file:
        return int(file.metadata()['step'])


if __name__ == '__main__':
    main()
