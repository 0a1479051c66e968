#!/usr/bin/env bash
# Sets up a machine: installs the servers, and creates .venv with the pinned requirements.
# Installs only what is missing; a second run does nothing. `--for-tests` installs Node (for its Socket.IO client), jq, Chromium and Prometheus too,
# `--for-benchmarks` nginx and a C compiler as well.
# `--python-only` creates .venv and installs no server.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

missing_packages() {
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || echo postgresql
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || echo rabbitmq-server
  command -v redis-server >/dev/null || echo redis-server
  python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
  command -v setpriv >/dev/null || echo util-linux
}

packages_for_tests() {
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
  command -v jq >/dev/null || echo jq
  command -v chromium >/dev/null || echo chromium
  command -v promtool >/dev/null || echo prometheus
  command -v amtool >/dev/null || echo prometheus-alertmanager
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || fail "needs root or sudo to install: $packages"
  sudo "$@"
}

packages_for_benchmarks() {
  packages_for_tests
  command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || echo nginx-light
  command -v gcc >/dev/null || echo gcc libc6-dev
}

# The distribution would start each installed server, now and at every boot; the stack runs private ones.
install_quietly() {
  command -v apt-get >/dev/null || fail "not a Debian system; install yourself: $packages"
  say "installing $packages"
  local policy=/usr/sbin/policy-rc.d written=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy
    written=1
  fi
  as_root apt-get update -qq || say "apt-get update failed; continuing with the existing package lists"
  local status=0
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $packages >"$log" 2>&1 || status=$?
  [ -z "$written" ] || as_root rm -f $policy
  [ $status = 0 ] || { tail -n 20 "$log" >&2; fail "apt-get install $packages failed"; }
  if [ -d /run/systemd/system ]; then
    for package in $packages; do
      case $package in
        *-server | postgresql | prometheus*) as_root systemctl disable -q "$package" 2>/dev/null || true ;;
      esac
    done
  fi
}

make_environment() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python3 must be 3.11 or newer"
  say "creating .venv with the pinned requirements"
  [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; python3 -m venv .venv; }
  .venv/bin/python -m pip install -q --disable-pip-version-check "$(grep '^uv==' requirements/dev.txt)"
  local packages="-e shared"
  for folder in services/*/; do packages="$packages -e $folder"; done
  install -r requirements/dev.txt
  install --no-build-isolation --no-deps $packages
  echo "$stamp" >.venv/stamp
}

install() {
  .venv/bin/uv pip install -q --python .venv/bin/python "$@" && return
  say "uv failed; trying pip"
  .venv/bin/python -m pip install -q --disable-pip-version-check "$@"
}

mkdir -p .local
log=.local/setup.log
case ${1:-} in
  --python-only) packages=$(missing_packages | grep python3-venv || true) ;;
  --for-benchmarks) packages=$( (missing_packages; packages_for_benchmarks) | tr '\n' ' ') ;;
  --for-tests) packages=$( (missing_packages; packages_for_tests) | tr '\n' ' ') ;;
  *) packages=$(missing_packages | tr '\n' ' ') ;;
esac
[ -z "$packages" ] || install_quietly
stamp=$(cat requirements/dev.txt shared/pyproject.toml services/*/pyproject.toml | sha256sum | cut -d' ' -f1)
[ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ] || make_environment
