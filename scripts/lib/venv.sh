# A virtual environment of our own, made once and remade when what it was made of changes. Sourced after debian.sh.

find_python() {
  local candidate
  for candidate in "${CALLCONTROL_PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14; do
    [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    command -v "$candidate"
    return
  done
  die "Python 3.11 or later is needed and not found: apt-get install python3, or set CALLCONTROL_PYTHON"
}

# ensure_venv FOLDER REQUIREMENTS: afterwards FOLDER/bin/python has exactly these packages, and callcontrol and the
# laboratory from this checkout.
ensure_venv() {
  local venv=$1 requirements=$2 python stamp
  python=$(find_python)
  stamp=$(printf '%s\n' "$here" "$python" "$("$python" -V)" | cat - "$requirements" | sha256sum)
  mkdir -p "$(dirname "$venv")"
  exec 8>"$venv.lock"
  flock 8
  if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    say "fetching Python packages (up to a minute)"
    make_venv "$python" "$venv" "$requirements"
    # Last, so that a half-made one is never taken for whole.
    printf '%s\n' "$stamp" >"$venv/stamp"
  fi
  stamp=$(cat "$here/pyproject.toml" "$here/scripts/lib/link_checkout.py" | sha256sum)
  if [ "$(cat "$venv/linked" 2>/dev/null)" != "$stamp" ]; then
    "$venv/bin/python" "$here/scripts/lib/link_checkout.py"
    printf '%s\n' "$stamp" >"$venv/linked"
  fi
  flock -u 8
}

make_venv() {
  local python=$1 venv=$2 requirements=$3 pip
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -m venv "$venv" || die "no virtual environment can be made in $venv: is there space, and may you write there?"
    pip=("$venv/bin/python" -m pip)
  else
    # Debian keeps pip for virtual environments in packages of their own. Root and a plain user go the same way: the
    # wheel is unpacked, nothing is installed.
    "$python" -m venv --without-pip "$venv" || die "$python cannot make virtual environments: apt-get install python3-venv"
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
