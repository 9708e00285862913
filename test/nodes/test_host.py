# SPDX-License-Identifier: Apache-2.0
"""What is said of the computer, from files of the kernel as made up here, and as they are."""

import pytest

pytest.importorskip('rclpy')

from impromptu_vla_ros.nodes.health import OK, WARN, status
from impromptu_vla_ros.nodes.host import Host


def files(root, **texts):
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def jetson(tmp_path):
    """Return the files of a small Jetson that is well."""
    zone, core = 'sys/class/thermal/thermal_zone0', 'sys/devices/system/cpu/cpu0'
    files(
        tmp_path,
        **{
            'proc/loadavg': '1.50 1.0 0.5 1/100 42\n',
            'proc/meminfo': 'MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n',
            'proc/self/statm': '5000 2560 100 0 0 0 0\n',
            f'{zone}/type': 'cpu-thermal\n',
            f'{zone}/temp': '61500\n',
            f'{zone}/trip_point_0_type': 'passive\n',
            f'{zone}/trip_point_0_temp': '85000\n',
            f'{zone}/trip_point_1_type': 'critical\n',
            f'{zone}/trip_point_1_temp': '100000\n',
            f'{core}/cpufreq/scaling_cur_freq': '1500000\n',
            f'{core}/cpufreq/scaling_max_freq': '1984000\n',
            f'{core}/cpufreq/cpuinfo_max_freq': '1984000\n',
            f'{core}/thermal_throttle/core_throttle_count': '3\n',
            'sys/class/devfreq/17000000.gpu/cur_freq': '306000000\n',
            'sys/class/devfreq/17000000.gpu/max_freq': '1020000000\n',
        },
    )
    return tmp_path


def test_a_computer_that_is_well(jetson):
    host = Host(jetson)
    host.look()
    found, values = host.look()
    assert found == []
    assert values['load (1 min)'].startswith('1.50 on ')
    assert values['memory of this process'] == '10 MiB'
    assert values['memory free'] == '3.8 of 7.6 GiB'
    assert values['temperature of cpu-thermal'] == '62 °C'
    assert values['CPU clock'] == '1.50 to 1.50 GHz'
    assert values['cores with a lowered clock limit'] == 0
    assert values['thermal throttlings'] == 3
    assert values['GPU clock'] == '306 of 1020 MHz'
    assert values['CPU of this process'].endswith('% of a core')


@pytest.mark.parametrize(
    ('name', 'text', 'words'),
    [
        ('sys/class/thermal/thermal_zone0/temp', '86000', 'throttles from 85 °C on'),
        ('sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count', '5', 'throttled 2'),
        ('proc/meminfo', 'MemTotal: 8000000 kB\nMemAvailable: 100000 kB', 'memory is short'),
    ],
)
def test_what_slows_it_down_is_a_warning_with_a_remedy(jetson, name, text, words):
    host = Host(jetson)
    host.look()
    files(jetson, **{name: text})
    found, values = host.look()
    told = status('host', found, values)
    assert told.level == WARN and words in told.message
    assert 'cool it' in told.message or 'smaller' in told.message


def test_what_cannot_be_read_is_said_and_no_error(tmp_path):
    files(tmp_path, **{'proc/meminfo': 'nonsense', 'proc/driver/nvidia/gpus/0000:01/x': ''})
    files(tmp_path, **{'sys/class/thermal/thermal_zone0/temp': 'cold'})
    found, values = Host(tmp_path).look()
    told = status('host', found, values)
    assert told.level == OK
    for key in ('load (1 min)', 'memory free', 'temperatures', 'CPU clock', 'thermal throttlings'):
        assert values[key] == 'not readable here'
    assert values['GPU'].startswith('1 NVIDIA: temperature and clock not readable here')


def test_this_computer_can_be_looked_at():
    found, values = Host().look()
    assert values['memory of this process'].endswith('MiB')
    assert all(level == WARN for level, _ in found)
