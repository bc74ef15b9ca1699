#!/usr/bin/env bash
# What `make run`, `test`, `bench`, `lint` and `lock` have in common: a Python environment out of the lock file, then the command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p build
python=.venv/bin/python

say() { printf -- '-- %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

alone() { # from here to `together` one process at a time in this checkout
  exec 9>build/lock
  flock --nonblock 9 || { say "another command prepares this checkout: waiting for it"; flock 9; }
}
together() { exec 9>&-; }

debian() { # PACKAGE…
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "Missing here: $*. Install it first, for example: sudo apt-get install $*"
  say "apt-get install $*"
  # Without our lock (9): a package may start a service, which would hold it for ever.
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"; } \
    >build/apt.log 2>&1 </dev/null 9>&- || { tail -n 20 build/apt.log >&2; fail "apt-get could not install $*."; }
}

interpreter() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$candidate"; return; }
  done
  fail "Python 3.11 or newer is needed, and this machine has none (apt-get install python3 on Debian 12, Ubuntu 24.04 or newer)."
}

environment() { # runtime | all
  local chosen wanted
  if [ "$1" = all ]; then cp requirements.lock build/all.txt; else sed '/^# Only for/,$d' requirements.lock >build/runtime.txt; fi
  wanted=$(sha256sum <"build/$1.txt")
  if ! "$python" -c '' 2>/dev/null; then
    chosen=$(interpreter)
    "$chosen" -c 'import ensurepip' 2>/dev/null || debian "$(readlink -f "$(command -v "$chosen")" | sed 's:.*/::')-venv"
    say "making .venv with $("$chosen" --version)"
    "$chosen" -m venv --clear .venv
  fi
  [ "$(cat ".venv/installed-$1" 2>/dev/null)" != "$wanted" ] || return 0
  say "installing the Python packages of requirements.lock into .venv"
  "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r "build/$1.txt" 2>&1 | tee build/pip.log |
    awk -v total="$(grep -c '^[a-z0-9]' "build/$1.txt")" '
      /^(Collecting|Processing|Ignoring|Requirement already satisfied:) / {
        sub(/( in | \(from ).*/, ""); sub(/^(Requirement already satisfied:|[A-Z][a-z]+) (.*\/)?/, ""); sub(/(==|\[|-[0-9]|[:;]).*/, "")
        printf "   %d of %d  %s\n", ++n, total, $0; fflush() }
      /^Installing collected/ { print "   unpacking"; fflush() }' ||
    { tail -n 20 build/pip.log >&2; fail "The packages could not be installed."; }
  echo "$wanted" >".venv/installed-$1"
  [ "$1" = runtime ] || sed '/^# Only for/,$d' requirements.lock | sha256sum >.venv/installed-runtime
}

build() { # translations and static files, each only when its sources have changed
  local po mo sources
  for po in locale/*/LC_MESSAGES/django.po; do
    mo="${po%.po}.mo"
    { [ ! -e "$po" ] || [ "$mo" -nt "$po" ]; } && continue
    say "compiling $po"
    "$python" -m babel.messages.frontend --quiet compile --input-file "$po" --output-file "$mo.new"
    mv -f "$mo.new" "$mo"
  done
  sources=$(find chat config registration staffing -path '*/static/*' -type f -print0 | sort -z | xargs -0r sha256sum -- requirements.lock config/*.py | sha256sum)
  [ "$(cat build/static.made 2>/dev/null)" != "$sources" ] || return 0
  say "collecting the static files"
  rm -rf build/static.new
  # Collected aside, then moved in file by file, the list of hashed names last: a server that runs meanwhile misses nothing,
  # and pages that are still open find their old files.
  "$python" - <<'PYTHON'
import os
import signal
from pathlib import Path

signal.signal(signal.SIGINT, signal.SIG_DFL)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
import django
from django.conf import settings
from django.core.management import call_command

there = Path(settings.STATIC_ROOT)
settings.STATIC_ROOT = aside = there.with_name("static.new")
django.setup()
call_command("collectstatic", interactive=False, verbosity=0)
for file in sorted((f for f in aside.rglob("*") if f.is_file()), key=lambda f: f.name == "staticfiles.json"):
    target = there / file.relative_to(aside)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, target)
PYTHON
  rm -rf build/static.new
  echo "$sources" >build/static.made
}

stores() { # the servers that `make test` and `make bench` start for themselves
  command -v redis-server >/dev/null || debian redis-server
  command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || debian postgresql
}

browser() {
  command -v chromium || command -v google-chrome || ls "$HOME"/.cache/ms-playwright/chromium-*/chrome-linux*/chrome 2>/dev/null | tail -n 1
}

case "${1:-}" in
  install) # for the container's image, whose layers follow these two
    alone
    environment runtime
    ;;

  build)
    alone
    environment runtime
    build
    ;;

  run)
    trap 'exit 130' INT TERM
    export DEMO="${DEMO-on}"
    alone
    environment runtime
    build
    say "preparing the database"
    "$python" - <<'PYTHON'
import os
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
import django
from django.conf import settings
from django.core.management import call_command

django.setup()
from config.server import refuse_to_start

refuse_to_start()
call_command("migrate", verbosity=0)
call_command("seed")
if settings.DEMO:
    call_command("demo")
PYTHON
    together
    exec "$python" -m config.server
    ;;

  test) # [sqlite | postgresql] [ARGUMENT OF PYTEST…]
    alone
    environment all
    stores
    if [ -z "$(browser)" ]; then
      # Ubuntu's package of that name only points at a snap, which does not run everywhere.
      if grep -q '^ID=ubuntu' /etc/os-release; then "$python" -m playwright install --with-deps chromium 9>&-; else debian chromium; fi
    fi
    build
    together
    CHROMIUM="$(browser)" exec "$python" -m tests.stacks "${@:2}"
    ;;

  bench) # [--short] [--rounds N] [--stack sqlite | postgresql]
    alone
    environment all
    stores
    build
    together
    exec "$python" -m bench "${@:2}"
    ;;

  lint)
    alone
    environment all
    together
    export DEMO=on STATE_DIR=build/lint
    failed=
    while read -r command; do
      say "$command"
      .venv/bin/$command </dev/null || failed="$failed  $command"$'\n'
    done <<'COMMANDS'
ruff check
ruff format --check
mypy
lint-imports --no-logo
python manage.py makemigrations --check --dry-run
python -m tests.translations
COMMANDS
    [ -z "$failed" ] || fail "Not clean:"$'\n'"$failed"
    ;;

  lock) # keeps the versions that stand in the lock; UPGRADE=1 takes the newest that pyproject.toml allows
    alone
    [ -x build/uv/bin/uv ] || { "$(interpreter)" -m venv --clear build/uv && build/uv/bin/python -m pip install --quiet uv; }
    resolve() { build/uv/bin/uv --quiet pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate "$@"; }
    cp requirements.lock build/everything.txt 2>/dev/null || true
    resolve --extra dev ${UPGRADE:+--upgrade} --no-strip-extras --output-file build/everything.txt >/dev/null
    resolve --constraints build/everything.txt --no-strip-extras --output-file build/needed.txt >/dev/null
    half() { # 1: the blocks of build/everything.txt that stand in build/needed.txt; 0: the others
      awk -v wanted="$1" '{ name = $0; sub(/[=[].*/, "", name) } FNR == NR { needed[name] = 1; next }
        /^[a-z0-9]/ { chosen = (name in needed) == wanted } chosen' build/needed.txt build/everything.txt
    }
    {
      echo "# Made by \`make lock\` from pyproject.toml. First what the product runs on, with the hashes of the public index."
      half 1
      echo "# Only for tests and linters, from here to the end: the container's image leaves it out."
      half 0
    } >build/requirements.lock
    mv build/requirements.lock requirements.lock
    say "requirements.lock: $(grep -c '^[a-z0-9]' requirements.lock) packages"
    ;;

  *) fail "make run, make test, make bench, make lint or make lock" ;;
esac
