# SPDX-License-Identifier: Apache-2.0
"""Our copies of Autoware's messages are Autoware's on the wire: their type hashes agree."""

import autoware_interfaces
import pytest


def test_every_message_has_a_hash():
    files = autoware_interfaces.SOURCE.glob('*/msg/*.msg')
    assert {f'{file.parts[-3]}/msg/{file.stem}' for file in files} == {*autoware_interfaces.HASHES}


@pytest.mark.parametrize('name', autoware_interfaces.HASHES)
def test_rosbags_computes_autowares_hash(name):
    store = autoware_interfaces.typestore()
    assert store.hash_rihs01(name) == autoware_interfaces.HASHES[name]
