# Debian packages without installing them: an apt of our own, into a folder. Sourced; needs bash with `set -eu`.
#
# The host's apt is asked only where its mirror is and how it reaches it (proxies); its lists, its cache and its packages
# are not touched, so root and a plain user go the same way. apt verifies the signed index and every package's checksum.

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

die() { # NAME: MESSAGE, one line
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  exit 1
}

say() { printf '%s: %s\n' "$(basename "$0")" "$1" >&2; }

need_debian() { # WHAT TO DO OTHERWISE
  local tool
  for tool in apt-get apt-config dpkg dpkg-deb; do
    command -v "$tool" >/dev/null || die "this is not Debian ($tool is missing): $1"
  done
  [ -r "$DEBIAN_KEYRING" ] || die "Debian's archive keys ($DEBIAN_KEYRING) are missing: install debian-archive-keyring, or $1"
}

host_release() { (. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_CODENAME:-}"); }

# "URI RELEASE" of the host's own Debian archives, one a line.
host_archives() {
  local format='$(REPO_URI) $(RELEASE)' found
  found=$(apt-get indextargets --format "$format" 'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null || true)
  if [ -z "$found" ]; then
    # Before the host's first `apt-get update` it does not know whose archives these are.
    found=$(apt-get indextargets --format "$format" 'Created-By: Packages' 'Component: main' 2>/dev/null |
      awk -v name="$(host_release)" 'index($2, name) == 1' || true)
  fi
  printf '%s\n' "$found" | awk 'NF == 2 && !seen[$0]++'
}

host_mirror() { host_archives | awk '$2 !~ /-security/ {print $1; exit}'; }

# own_apt FOLDER STATUS "URI SUITE"...: from here on apt-get works in FOLDER. STATUS: the dpkg status file to believe.
own_apt() {
  local folder=$1 status=$2 archive
  shift 2
  mkdir -p "$folder"/{lists/partial,cache/archives/partial,etc/apt.conf.d,etc/preferences.d}
  : >"$folder/sources.list"
  for archive in "$@"; do
    printf 'deb [signed-by=%s] %s %s main\n' "$DEBIAN_KEYRING" "${archive% *}" "${archive##* }" >>"$folder/sources.list"
  done
  {
    # How the host reaches the network.
    apt-config dump | grep -iE '^(Acquire::(http|https|ftp)::[^ ]*(proxy|ca|timeout|verify)|Acquire::(Retries|ForceIPv[46]))' || true
    cat <<CONF
Dir::Etc "$folder/etc";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$folder";
Dir::State::lists "$folder/lists";
Dir::State::status "$status";
Dir::Cache "$folder/cache";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "2";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
CONF
  } >"$folder/apt.conf"
  export APT_CONFIG=$folder/apt.conf
}

update_index() { # WHAT TO DO OTHERWISE
  local words
  if ! words=$(apt-get -qq update 2>&1); then
    die "the package index cannot be read ($(printf '%s' "$words" | grep -m1 '^[EW]:' || echo 'no words')): $1"
  fi
}

unpack() { # FOLDER PACKAGE.deb...
  local folder=$1 package
  shift
  mkdir -p "$folder"
  for package in "$@"; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$folder" --no-same-owner --keep-directory-symlink \
      --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale --exclude=./usr/share/lintian
  done
}
