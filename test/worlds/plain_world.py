# SPDX-License-Identifier: Apache-2.0
"""
The least simulation behind the server: cars that keep a velocity, and a grey picture.

Started as a program, it is served as `impromptu-vla world` serves others.
"""

import math
import sys
from dataclasses import replace

import numpy as np

from impromptu_vla_ros import cli
from impromptu_vla_ros.worlds import serve

PULL = 4.0  # m/s² at full throttle
TURN = 0.5  # rad/s at full steering, however fast


class PlainWorld:
    """Velocities are integrated; throttle pulls along the heading, steering turns it."""

    def begin(self, roads):
        self.bodies, self.kinds, self.pedals, self.held = {}, {}, {}, set()

    def add(self, number, kind, body):
        if any(math.dist((body.x, body.y), (b.x, b.y)) < 2.0 for b in self.bodies.values()):
            raise ValueError(f'{kind.name} finds no place at {body.x}, {body.y}')
        self.bodies[number] = replace(body, z=0.0)
        self.kinds[number] = kind

    def remove(self, number):
        del self.bodies[number]
        self.pedals.pop(number, None)

    def drive(self, number, pedals):
        self.pedals[number] = pedals

    def place(self, number, body):
        self.bodies[number] = body

    def free(self, number, physics):
        (self.held.discard if physics else self.held.add)(number)

    def grip(self, number, friction):
        self.friction = friction

    def step(self, seconds):
        for number, body in self.bodies.items():
            if number in self.held:
                continue
            pedals = self.pedals.get(number)
            throttle, steer = (pedals.throttle, pedals.steer) if pedals else (0.0, 0.0)
            ax, ay = PULL * throttle * math.cos(body.yaw), PULL * throttle * math.sin(body.yaw)
            vx, vy = body.vx + ax * seconds, body.vy + ay * seconds
            self.bodies[number] = replace(
                body,
                x=body.x + vx * seconds,
                y=body.y + vy * seconds,
                yaw=body.yaw + TURN * steer * seconds,
                vx=vx,
                vy=vy,
                ax=ax,
                ay=ay,
                yaw_rate=TURN * steer,
            )

    def body(self, number):
        return self.bodies[number]

    def steering(self, number):
        pedals = self.pedals.get(number)
        return pedals.steer * self.kinds[number].max_steer if pedals else 0.0

    def see(self, lens):
        if lens.width == 13:
            raise RuntimeError('a camera 13 pixels wide is broken')
        picture = np.full((lens.height, lens.width, 4), 128, np.uint8)
        picture[0, 0] = 10, 20, 30, 255
        return picture

    def close(self):
        pass


if __name__ == '__main__':
    serve.WORLDS['plain'] = ('plain_world', 'PlainWorld')
    sys.exit(cli.main(['world', '--world', 'plain', *sys.argv[1:]]))
