# A virtual environment of our own, made once and remade when what it was made of changes. Sourced after debian.sh.

find_python() {
  local candidate found='' candidates=(python3 python3.11 python3.12 python3.13 python3.14)
  [ -z "${CALLCONTROL_PYTHON:-}" ] || candidates=("$CALLCONTROL_PYTHON")
  for candidate in "${candidates[@]}"; do
    # The program itself: a shim, or the python3 of an environment that is active now, would be another one tomorrow.
    found=$("$candidate" -c 'import os, sys; sys.version_info >= (3, 11) and print(os.path.realpath(sys.executable))' 2>/dev/null) || continue
    [ -z "$found" ] || break
  done
  [ -n "$found" ] || [ -z "${CALLCONTROL_PYTHON:-}" ] || die "CALLCONTROL_PYTHON=$CALLCONTROL_PYTHON is no Python 3.11 or later: name another one, or leave it out"
  [ -n "$found" ] || die "Python 3.11 or later is needed and not found: apt-get install python3, or set CALLCONTROL_PYTHON"
  printf '%s\n' "$found"
}

# ensure_venv FOLDER REQUIREMENTS: afterwards FOLDER/bin/python has exactly these packages, and callcontrol and the
# laboratory from this checkout.
ensure_venv() {
  local venv=$1 requirements=$2 python stamp
  python=$(find_python)
  stamp=$(printf '%s\n' "$here" "$python" "$("$python" -V)" | cat - "$requirements" | sha256sum)
  mkdir -p "$(dirname "$venv")"
  exec 8>"$venv.lock"
  if ! flock -n 8; then
    say "another start is setting up $venv: waiting for it"
    flock 8
  fi
  if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ] || ! "$venv/bin/python" -c '' 2>/dev/null || ! whole_venv "$venv"; then
    rm -rf "$venv"
    say "fetching Python packages (up to a minute)"
    make_venv "$python" "$venv" "$requirements"
    venv_files "$venv" >"$venv/files"
    # Last, so that a half-made one is never taken for whole.
    printf '%s\n' "$stamp" >"$venv/stamp"
  fi
  stamp=$(cat "$here/pyproject.toml" "$here/scripts/lib/link_checkout.py" | sha256sum)
  if [ "$(cat "$venv/linked" 2>/dev/null)" != "$stamp" ] || ! linked_venv "$venv"; then
    "$venv/bin/python" "$here/scripts/lib/link_checkout.py"
    printf '%s\n' "$stamp" >"$venv/linked"
  fi
  flock -u 8
}

# What was installed, with sizes; not what Python compiles from it, nor what is written afterwards.
venv_files() {
  (cd "$1" && find . -path ./files -o -type f ! -name '*.pyc' -printf '%s %p\n' | LC_ALL=C sort)
}

whole_venv() { # Nothing of it is missing or cut short.
  [ -s "$1/files" ] && [ -z "$(LC_ALL=C comm -23 "$1/files" <(venv_files "$1"))" ]
}

linked_venv() {
  [ -s "$1/bin/callcontrol" ] && "$1/bin/python" -Ic 'import callcontrol, importlib.metadata as m; m.version("callcontrol")' 2>/dev/null
}

make_venv() {
  local python=$1 venv=$2 requirements=$3 pip words
  # The last line of what it says is the reason; the rest, and its traceback at a Ctrl-C, help nobody.
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    words=$("$python" -m venv "$venv" 2>&1) ||
      die "no virtual environment can be made in $venv (${words##*$'\n'}): is there space, and may you write there?"
    pip=("$venv/bin/python" -m pip)
  else
    # Debian keeps pip for virtual environments in packages of their own. Root and a plain user go the same way: the
    # wheel is unpacked, nothing is installed.
    words=$("$python" -m venv --without-pip "$venv" 2>&1) ||
      die "$python cannot make a virtual environment in $venv (${words##*$'\n'}): apt-get install python3-venv"
    pip=("$venv/bin/python" "$(pip_wheel)/pip")
  fi
  # Its words are kept for when it fails; what it works on is the progress.
  if ! "${pip[@]}" --disable-pip-version-check install --no-input --progress-bar off --require-hashes \
    --requirement "$requirements" 2>&1 | tee "$venv/pip.log" | sed -un 's/^Collecting \([^ =]*\).*/  \1/p; s/^Installing .*/  installing them/p' >&2; then
    grep -v '^WARNING: Location' "$venv/pip.log" | tail -5 >&2
    die "the Python packages cannot be installed (see above): check the network and pip's configuration, then start again"
  fi
}

pip_wheel() { # A folder or wheel that holds pip.
  (
    otherwise="apt-get install python3-venv"
    folder=$here/.lab/pip
    if ! wheel=$(ls "$folder"/usr/share/python-wheels/pip-*.whl 2>/dev/null); then
      need_debian "$otherwise"
      mapfile -t archives < <(host_archives)
      [ "${#archives[@]}" -gt 0 ] || die "this machine's apt names no Debian mirror: $otherwise"
      rm -rf "$folder.fetching"
      own_apt "$folder.fetching" /var/lib/dpkg/status "${archives[@]}"
      update_index "check the network, or $otherwise"
      (cd "$folder.fetching" && apt-get -qq download python3-pip-whl) || die "pip cannot be fetched: check the network, or $otherwise"
      unpack "$folder" "$folder.fetching"/*.deb
      rm -rf "$folder.fetching"
      wheel=$(ls "$folder"/usr/share/python-wheels/pip-*.whl)
    fi
    printf '%s\n' "$wheel"
  )
}
