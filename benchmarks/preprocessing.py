# SPDX-License-Identifier: Apache-2.0
"""
Time a picture's way to model-ready pixels against the same two steps by other libraries.

Both sides do the trainer's resize and then the model's own: ours with this package, theirs
with Pillow and transformers' Qwen2-VL image processor. Results must be equal to the last bit.
One core; runs alternate, so that a busy machine slows both sides alike.
"""

import argparse
import io
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from impromptu_vla_ros.core.structs import CameraImage
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models.preprocessing import MODEL_LEAST, to_patches, trained_size

DATA = Path(__file__).resolve().parent.parent.parent / 'shared' / 'data'
SIZE = 1600, 900


def main():
    """Print one line per kind of picture; exit with 1 where a bit differs."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--smoke', '--quick', action='store_true', help='a few runs only')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the results there too')
    arguments = parser.parse_args()
    runs = 5 if arguments.smoke else 60
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    processor, version = image_processor()
    name, jpeg = find_jpeg()
    picture = np.asarray(Image.open(io.BytesIO(jpeg)))
    pictures = {
        'raw rgb8': raw('rgb8', picture),
        'raw bgr8': raw('bgr8', picture[..., ::-1]),
        'jpeg': CameraImage('front', 0, 'jpeg', jpeg),
    }
    print(f'{name}, {SIZE[0]}x{SIZE[1]} to model-ready pixels, one core, median of {runs} runs')
    if processor is None:
        print('transformers is missing (pip install "impromptu_vla_ros[torch]"): ours alone')

    rows = {}
    for kind, image in pictures.items():
        sides = {'ours': lambda image=image: to_patches(decode(image).pixels).values}
        if processor is not None:
            sides['theirs'] = lambda image=image: theirs(processor, image)
        rows[kind] = compare(sides, runs)
        print(f'  {kind:9}', describe(rows[kind]))
    report = {
        'benchmark': 'preprocessing',
        'picture': name,
        'runs': runs,
        'machine': platform.processor() or platform.machine(),
        'python': platform.python_version(),
        'numpy': np.__version__,
        'pillow': Image.__version__,
        'transformers': version,
        'results': rows,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0 if all(row.get('bit_equal', True) for row in rows.values()) else 1


def compare(sides, runs):
    """Return the medians in ms, their ratio, and whether the results are equal."""
    results = {side: run() for side, run in sides.items()}
    seconds = {side: [] for side in sides}
    for _ in range(runs):
        for side, run in sides.items():
            started = time.perf_counter()
            run()
            seconds[side].append(time.perf_counter() - started)
    row = {f'{side}_ms': 1e3 * statistics.median(values) for side, values in seconds.items()}
    if 'theirs' in results:
        row['ratio'] = row['theirs_ms'] / row['ours_ms']
        row['bit_equal'] = bool(np.array_equal(results['ours'], results['theirs']))
    return row


def describe(row):
    text = f'ours {row["ours_ms"]:6.2f} ms'
    if 'ratio' in row:
        equal = 'bit-equal' if row['bit_equal'] else 'NOT EQUAL'
        text += f'   transformers {row["theirs_ms"]:6.2f} ms   {row["ratio"]:.2f}x   {equal}'
    return text


def theirs(processor, image):
    """Do the two steps with Pillow and transformers alone."""
    if image.encoding == 'jpeg':
        picture = Image.open(io.BytesIO(image.data))
    else:
        order = {'rgb8': 'RGB', 'bgr8': 'BGR'}[image.encoding]
        picture = Image.frombuffer('RGB', SIZE, image.data, 'raw', order, 0, 1)
    picture = picture.resize(trained_size(*picture.size), 0)
    return processor(images=picture, return_tensors='np')['pixel_values']


def raw(encoding, pixels):
    return CameraImage('front', 0, encoding, pixels.tobytes(), SIZE[1], SIZE[0], 3 * SIZE[0])


def find_jpeg():
    """Return the name and bytes of a real picture of a drive, else of a made one."""
    folder = Path(os.environ.get('IMPROMPTU_VLA_DATA', DATA)) / 'nuscenes_frames'
    for path in sorted(folder.rglob('*CAM_FRONT.jpg')) + sorted(folder.rglob('*CAM_FRONT_*.jpg')):
        if Image.open(path).size == SIZE:
            return path.name, path.read_bytes()
    # Soft shapes and a little noise compress to about the size of a real picture.
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (57, 100, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize(SIZE, Image.BICUBIC)) + random.normal(0, 6, (*SIZE[::-1], 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, 'JPEG', quality=85)
    return 'synthetic picture', buffer.getvalue()


def image_processor():
    """Return transformers' Pillow processor with an uncapped second step, and its version."""
    try:
        import transformers
    except ImportError:
        return None, None
    try:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil as Processor,
        )
    except ImportError:  # transformers 4
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import (
            Qwen2VLImageProcessor as Processor,
        )
    return Processor(min_pixels=MODEL_LEAST, max_pixels=1 << 40), transformers.__version__


if __name__ == '__main__':
    raise SystemExit(main())
