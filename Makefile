# SPDX-License-Identifier: Apache-2.0
#
# `make demo` and `make test` do everything from an empty clone; `make help` names the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv build metadrive demo replay-demo test slow soak benchmark benchmark-smoke colcon clean

export PYTHON ?=
export ROS_DISTRO ?= jazzy
export VENV ?= $(if $(filter jazzy,$(ROS_DISTRO)),.venv,.venv-$(ROS_DISTRO))
# Extras that `make test` installs too; `make test EXTRAS=` leaves them out.
EXTRAS ?= torch onnx export guidance carla train alpasim

ENTER := . scripts/env.sh

help:  ## Name the targets
	@sed -n 's/^\([a-z -]*\):.*## /\1: /p' Makefile | column -t -s :
	@echo 'Variables: PYTHON=python3.12  ROS_DISTRO=jazzy|kilted  VENV=folder  EXTRAS="torch onnx export guidance carla train alpasim"'

venv build:  ## Make the virtual environment with ROS, the messages and this package in it
	@scripts/setup.sh

metadrive:  ## Make the environment of the MetaDrive world, beside the one of this package
	@scripts/metadrive.sh

demo:  ## Let the model in the box drive over ROS topics: world, bridge, planner, controller; a page
	@scripts/setup.sh carla onnx
	@$(ENTER); python -m impromptu_vla_ros.cli demo

replay-demo: build  ## Plan along recorded drives over ROS topics, and write a page about it
	@$(ENTER); python -m impromptu_vla_ros.cli replay-demo

test:  ## Run ruff, mypy and all tests that take no more than minutes
	@scripts/setup.sh test $(EXTRAS)
	@$(ENTER); ruff check .
	@$(ENTER); mypy
	@$(ENTER); python -m pytest || { test $$? = 1; \
	  echo '== What failed once more, alone: a machine that stood still fails tests in real time'; \
	  python -m pytest --last-failed --last-failed-no-failures none; }

slow:  ## Run the tests that are left out of `make test` because they are slow
	@scripts/setup.sh test $(EXTRAS)
	@$(ENTER); python -m pytest -m slow

soak:  ## Drive 10 minutes, or SOAK_SECONDS, with a failing model (out/soak.html); answer 1000 times
	@scripts/setup.sh test $(EXTRAS)
	@$(ENTER); SOAK_SECONDS=$${SOAK_SECONDS:-600} python -m pytest -m 'soak or slow' -s \
	  test/soak test/models test/package test/evaluation/test_identity.py \
	  test/evaluation/test_within_reach.py

benchmark benchmark-smoke:  ## Run all benchmarks, or each for a moment only
	@scripts/setup.sh test $(EXTRAS)
	@$(ENTER); for file in benchmarks/*.py; do \
	  echo "== $$file"; python $$file $(if $(findstring smoke,$@),--quick); done

colcon:  ## Build and test as in a ROS workspace, with colcon
	@scripts/setup.sh test $(EXTRAS)
	@$(ENTER); cd $(VENV); bases='--build-base colcon/build --install-base colcon/install'; \
	  export COLCON_LOG_PATH=colcon/log; set +u; \
	  colcon build --paths $(CURDIR) $$bases; . colcon/install/setup.sh; \
	  colcon test --paths $(CURDIR) $$bases; colcon test-result --test-result-base colcon/build --verbose

clean:  ## Remove the virtual environment and everything built
	rm -rf $(VENV) .venv-metadrive build install log out
