#!/bin/sh
# Makes .venv from the lock file and brings the system packages that are missing.
#
#   config/setup/install.sh runtime   what `make demo` and `make up` need
#   config/setup/install.sh dev       that, and what `make test` and `make lint` need
#
# When nothing has changed it ends at once. PYTHON names the interpreter, LONGHAUL_DATA_DIR the folder of the log.
# FORCE=1 tries again what could not be installed the last time.
set -eu
cd "$(dirname "$0")/../.."

kind=${1:-runtime}
logs=${LONGHAUL_DATA_DIR:-.longhaul}/logs
log=$logs/setup.log
packages=config/setup/system-packages.txt
python=.venv/bin/python

say() { echo "set-up: $*"; }

fail() {
    say "$1" >&2
    if [ -s "$log" ]; then
        echo "The end of $log:" >&2
        tail -n 15 "$log" | sed 's/^/  /' >&2
    fi
    exit 1
}

# The development lock holds everything that the runtime lock holds: once installed, it stays.
if [ -e .venv/.kind-dev ]; then kind=dev; fi
case $kind in
    runtime) lock=requirements.txt ;;
    dev) lock=requirements-dev.txt ;;
    *) fail "runtime or dev, not '$kind'" ;;
esac

# --- system packages ---------------------------------------------------------------------------------------------

# The packages of a group whose command is not there, on one line.
missing_packages() {
    while read -r group package command _; do
        if [ "$group" = "$1" ] && ! command -v "$command" >/dev/null 2>&1; then printf '%s ' "$package"; fi
    done <"$packages"
}

# The data folder holds secrets and documents: for its owner alone.
make_logs() { (umask 077 && mkdir -p "$logs"); }

become_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# apt_install PACKAGE…: with a fresh package list only if the one at hand does not do.
apt_install() {
    become_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
        { become_root apt-get update &&
            become_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }
}

# Install what is missing of a group, or say the one command and go on. A failure is not repeated at every start.
system_packages() {
    missing=$(missing_packages "$1")
    tried=.venv/.tried-$1
    if [ -z "$missing" ]; then return; fi
    if [ -z "${FORCE:-}" ] && [ "$(cat "$tried" 2>/dev/null)" = "$missing" ]; then
        say "without $missing($2): install with   sudo apt-get install $missing"
        return
    fi
    # shellcheck disable=SC2086 # one word a package
    if may_install && say "installing $missing($2)" && apt_install $missing >>"$log" 2>&1 &&
        [ -z "$(missing_packages "$1")" ]; then
        return
    fi
    printf '%s' "$missing" >"$tried"
    say "going on without $missing($2): install with   sudo apt-get install $missing"
}

# --- Python ------------------------------------------------------------------------------------------------------

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or later found${PYTHON:+ as $PYTHON}. On Debian: sudo apt-get install python3"
}

venv_works() { "$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

make_venv() {
    "$1" -m venv --clear .venv >>"$log" 2>&1 && venv_works
}

# Whether .venv was made where it is now, and not in a folder that was moved or renamed since.
venv_is_here() {
    case $(cat "$stamp" 2>/dev/null) in
        *" $here") return 0 ;;
        */*) return 1 ;;
        *) return 0 ;; # not finished, or a stamp without a path
    esac
}

ensure_venv() {
    if venv_is_here && venv_works; then return; fi
    interpreter=$(find_python)
    package=$(awk '$1 == "venv" { print $2 }' "$packages")
    make_venv "$interpreter" ||
        { may_install && say "installing $package (making .venv)" && apt_install "$package" >>"$log" 2>&1 &&
            make_venv "$interpreter"; } ||
        fail "$interpreter cannot make a virtual environment. On Debian: sudo apt-get install $package, then again."
    say ".venv made with $("$python" --version)"
}

# uv does not read pip's configuration: hand over where this machine gets its packages from. The hashes of the
# lock make it safe to take a package from whichever index has it.
pip_setting() {
    "$python" -m pip config get ":env:.$1" 2>/dev/null || "$python" -m pip config get "install.$1" 2>/dev/null ||
        "$python" -m pip config get "global.$1" 2>/dev/null || true
}

with_uv() {
    uv=.venv/bin/uv
    [ -x "$uv" ] || "$python" -m pip install --require-hashes -r config/setup/uv.txt || return 1
    UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_INDEX_STRATEGY=unsafe-best-match
    UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$(pip_setting index-url)}
    UV_INDEX=${UV_INDEX:-$(pip_setting extra-index-url)}
    UV_FIND_LINKS=${UV_FIND_LINKS:-$(pip_setting find-links)}
    SSL_CERT_FILE=${SSL_CERT_FILE:-$(pip_setting cert)}
    export UV_PYTHON_DOWNLOADS UV_NO_PROGRESS UV_INDEX_STRATEGY
    # An empty value is not the same as none.
    for name in UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS SSL_CERT_FILE; do
        if [ -n "$(eval "echo \"\$$name\"")" ]; then export "${name?}"; else unset "$name"; fi
    done
    # First with the certificates that this machine trusts, as pip does; then with uv's own.
    UV_SYSTEM_CERTS=1 "$uv" pip sync --python "$python" --require-hashes "$lock" ||
        "$uv" pip sync --python "$python" --require-hashes "$lock"
}

install_packages() {
    say "installing Python packages from $lock"
    with_uv >>"$log" 2>&1 ||
        "$python" -m pip install --require-hashes -r "$lock" >>"$log" 2>&1 ||
        fail "the Python packages could not be installed. Is the network there? Then run the command again."
}

# --- what to do --------------------------------------------------------------------------------------------------

here=$(pwd -P)
stamp=.venv/.installed
# With the checkout's path: the programs in .venv/bin name their interpreter by it.
wanted="$kind $(cat "$lock" config/setup/uv.txt | cksum) $here"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || [ ! -x "$python" ]; then
    make_logs
    echo "--- $(date -u +%FT%TZ) $kind" >>"$log"
    ensure_venv
    install_packages
    if [ "$kind" = dev ]; then touch .venv/.kind-dev; fi
    printf '%s' "$wanted" >"$stamp"
    say "Python packages ready"
fi
make_logs
system_packages always "scanned pages are read with it"
if [ "$kind" = dev ]; then system_packages browser "the browser tests need it"; fi
