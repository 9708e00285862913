# SPDX-License-Identifier: Apache-2.0
"""Install the Python half with pip; the version is the one of package.xml."""

from xml.etree import ElementTree

from setuptools import find_packages, setup

setup(
    version=ElementTree.parse('package.xml').findtext('version'),
    packages=find_packages(include=['impromptu_vla_ros', 'impromptu_vla_ros.*']),
    # Naming it here also puts it into a source distribution, which needs it for this very line.
    data_files=[('share/impromptu_vla_ros', ['package.xml'])],
)
