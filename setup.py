# SPDX-License-Identifier: Apache-2.0
"""Install the Python half with pip; the version is the one of package.xml."""

from glob import glob
from xml.etree import ElementTree

from setuptools import find_packages, setup

RECORDINGS = ('demo/walking', 'demo/driving')

setup(
    version=ElementTree.parse('package.xml').findtext('version'),
    packages=find_packages(include=['impromptu_vla_ros', 'impromptu_vla_ros.*']),
    # The model in the box.
    package_data={'impromptu_vla_ros': ['nano/*', 'nano/onnx/*']},
    # Naming it here also puts it into a source distribution, which needs it for this very line.
    data_files=[
        ('share/impromptu_vla_ros', ['package.xml']),
        *((f'share/impromptu_vla_ros/{folder}', glob(f'{folder}/*')) for folder in RECORDINGS),
    ],
)
