# Sourced by usim, test and check: makes the checkout's .venv and keeps it up to date.
#
# A run that finds nothing to do costs two small processes and never calls pip. What it looks at is
# the stamp of each extra in .venv: it holds the checksum of pyproject.toml, the Python and the
# place. The stamps go before an installation and come back after it, so that one that was
# interrupted is done again. All is plain POSIX sh; set PYTHON to choose the interpreter.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
VENV=$ROOT/.venv
OLDEST_PYTHON=3.11

say() { printf '%s\n' "usim: $*" >&2; }
die() { say "$@"; exit 1; }

# use_venv NAME: "run", "test" or "check"; afterwards $BIN holds the programs.
use_venv() {
    if is_current "$1"; then return; fi
    lock_venv
    if ! is_current "$1"; then  # another run may have done it while this one waited
        install "$1"
    fi
    unlock_venv
}

is_current() {
    find_bin
    [ -f "$VENV/.usim-$1" ] && [ ! -f "$VENV/.usim-started" ] || return 1
    WANTED=$(describe) && [ "$(cat "$VENV/.usim-$1")" = "$WANTED" ]
}

# What the installation depends on; fails when the interpreter does.
describe() {
    have=$(identify "$BIN/python") || return 1
    if [ -n "${PYTHON:-}" ] && [ "$(identify "$PYTHON")" != "$have" ]; then return 1; fi
    printf '%s\n' "$have" "$ROOT" "$(cksum < "$ROOT/pyproject.toml")"
}

identify() {
    "$1" -I -S -c 'import sys; print(*sys.version_info, sys.base_prefix)' 2>/dev/null
}

find_bin() {
    BIN=$VENV/bin
    if [ -d "$VENV/Scripts" ]; then BIN=$VENV/Scripts; fi  # Windows
}

install() {
    mkdir -p "$VENV" || die "cannot make $VENV"
    # A .venv of the user's own making is used, but never thrown away.
    if [ -f "$VENV/.usim-ours" ]; then
        if [ -f "$VENV/.usim-started" ]; then
            say "the last installation was interrupted: starting anew"
            empty_venv
        elif ! describe > /dev/null; then
            say "the Python of .venv is gone or not the one asked for: starting anew"
            empty_venv
        fi
    fi
    if [ ! -f "$VENV/pyvenv.cfg" ]; then
        say "making .venv and installing from PyPI (some 200 MB to download, once) ..."
        make_venv
    else
        say "bringing .venv up to date ..."
    fi
    find_bin
    describe > /dev/null || die "$VENV was made by other means and its Python does not run" \
        "or is not the one asked for: remove it, then try again"
    : > "$VENV/.usim-started"
    if ! "$BIN/python" -m pip --version > /dev/null 2>&1; then
        "$BIN/python" "$ROOT/scripts/_bootstrap.py" >&2 ||
            die "there is no pip and none could be had; Debian and Ubuntu: apt install python3-venv," \
                "or set PIP_INDEX_URL to the address of your package index"
    fi
    case $1 in run) extra='' ;; *) extra="[$1]" ;; esac
    # Errors only: one line that says what is going on is enough.
    PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$BIN/python" -m pip install -qq --editable "$ROOT$extra" >&2 || {
        # pip came to its end and has cleaned up: what was there before still works.
        rm -f "$VENV/.usim-started"
        die "the installation failed (see above); run the command again to retry"
    }
    describe > "$VENV/.usim-$1"
    if [ "$1" != run ]; then cp "$VENV/.usim-$1" "$VENV/.usim-run"; fi
    rm -f "$VENV/.usim-started"
}

# Everything but the lock that we hold; nothing at all if no other could be made.
empty_venv() {
    find_python > /dev/null || exit 1
    find "$VENV" -mindepth 1 -maxdepth 1 ! -name '.usim-lock*' -exec rm -rf {} + ||
        die "cannot empty $VENV"
}

make_venv() {
    base=$(find_python) || exit 1
    : > "$VENV/.usim-ours"
    : > "$VENV/.usim-started"
    if "$base" -c 'import ensurepip' 2>/dev/null; then
        "$base" -m venv "$VENV" >&2 || die "$base -m venv failed (see above)"
        return
    fi
    # Debian and Ubuntu: python3 without python3-venv. Its venv works, but brings no pip.
    "$base" -m venv --without-pip "$VENV" >&2 ||
        die "$base has no working venv module; Debian and Ubuntu: apt install python3-venv"
}

# Prints a Python that is new enough.
find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python
    do
        if is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        if [ "$candidate" = "${PYTHON:-}" ]; then
            die "PYTHON=$PYTHON is not a Python $OLDEST_PYTHON or newer"
        fi
    done
    found=$(python3 --version 2>&1) || found="no python3"
    die "Python $OLDEST_PYTHON or newer is needed and there is $found;" \
        "install one and name it: PYTHON=/path/to/python3 $0"
}

is_new_enough() {
    oldest="${OLDEST_PYTHON%.*}, ${OLDEST_PYTHON#*.}"
    "$1" -I -S -c "import sys; sys.exit(sys.version_info < ($oldest))" 2>/dev/null
}

# One installation at a time. flock's lock ends with its holder; mkdir's is checked by process.
lock_venv() {
    mkdir -p "$VENV" || die "cannot make $VENV"
    if command -v flock > /dev/null 2>&1; then
        exec 9> "$VENV/.usim-lock"
        if ! flock -n 9; then
            say "another installation is under way: waiting for it"
            flock 9 || die "cannot lock $VENV"
        fi
        return
    fi
    announced=''
    until mkdir "$VENV/.usim-lock-dir" 2>/dev/null; do
        holder=$(cat "$VENV/.usim-lock-dir/pid" 2>/dev/null) || holder=''
        # It may have been made this instant and have no holder's name yet: asked once more below.
        if ! kill -0 "${holder:-$$}" 2>/dev/null || [ "$announced$holder" = yes ]; then
            rm -rf "$VENV/.usim-lock-dir"
            continue
        fi
        [ -n "$announced" ] || say "another installation is under way: waiting for it"
        announced=yes
        sleep 1
    done
    echo $$ > "$VENV/.usim-lock-dir/pid"
    trap unlock_venv EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

unlock_venv() {
    if command -v flock > /dev/null 2>&1; then
        exec 9>&-
        return
    fi
    rm -rf "$VENV/.usim-lock-dir"
    trap - EXIT INT TERM
}
