# What the tests need from the machine: found where it is, installed with apt where it is missing. Sourced by tests/run.

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
find_chromedriver() { command -v chromedriver || true; }

# The language server of editors, of one version: in a folder outside the repository, so that it is fetched once.
language_server=1.19.2
editor_folder() {
  printf '%s/relance-tests/yaml-language-server-%s\n' "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}" "$language_server"
}
has_language_server() { [[ -d "$1/node_modules/yaml-language-server" ]]; }

install_language_server() {
  local folder="$1" half
  if has_language_server "$folder"; then
    return
  fi
  echo "installing yaml-language-server $language_server"
  mkdir -p "$(dirname "$folder")"
  half="$(mktemp -d "$folder.XXXXXX")"
  # Moved when it is whole: an interrupted one is not taken for it next time.
  quietly npm install --prefix "$half" --no-audit --no-fund --ignore-scripts "yaml-language-server@$language_server"
  mv -T "$half" "$folder" 2>/dev/null || rm -rf "$half"
}

# The newest PostgreSQL that has a server; Debian keeps its binaries out of PATH.
find_postgres() {
  local initdb
  initdb="$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)"
  initdb="${initdb:-$(command -v initdb || true)}"
  [[ -z "$initdb" ]] || dirname "$initdb"
}

need_rust() {
  [[ -d "${HOME:-}/.cargo/bin" ]] && PATH="$HOME/.cargo/bin:$PATH"
  if ! cargo --version >/dev/null 2>&1; then
    echo "error: no Rust here" >&2
    echo "hint: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y" >&2
    exit 1
  fi
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    echo "error: this Rust has no rustfmt or no clippy" >&2
    echo "hint: rustup component add rustfmt clippy" >&2
    exit 1
  fi
}

install_missing_packages() {
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  [[ -n "${RELANCE_TEST_POSTGRES:-}" || -n "$(find_postgres)" ]] || missing+=(postgresql-15)
  command -v curl >/dev/null || missing+=(curl)
  command -v python3 >/dev/null || missing+=(python3)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || has_language_server "${RELANCE_TEST_EDITOR:-$(editor_folder)}" || missing+=(npm)
  [[ -n "${RELANCE_TEST_CHROMIUM:-}" || -n "$(find_chromium)" ]] || missing+=(chromium)
  [[ -n "${RELANCE_TEST_CHROMEDRIVER:-}" || -n "$(find_chromedriver)" ]] || missing+=(chromium-driver)
  if ((${#missing[@]} == 0)); then
    return
  fi
  if ! command -v apt-get >/dev/null || { ((EUID != 0)) && ! command -v sudo >/dev/null; }; then
    echo "error: missing: ${missing[*]}" >&2
    echo "hint: install them as root (Debian 12: apt-get install ${missing[*]})" >&2
    exit 1
  fi
  echo "installing ${missing[*]}"
  quietly as_root apt-get update
  if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
    install_without_a_cluster "${missing[@]}"
  else
    apt_install "${missing[@]}"
  fi
}

# Debian's package makes a cluster and starts it; this one setting, there while apt runs, tells it not to.
install_without_a_cluster() {
  local setting=/etc/postgresql-common/createcluster.d/relance-tests.conf status=0
  as_root mkdir -p "$(dirname "$setting")"
  echo "create_main_cluster = false" | as_root tee "$setting" >/dev/null
  apt_install "$@" || status=$?
  as_root rm -f "$setting"
  return "$status"
}

apt_install() {
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Shows what a command said only when it fails.
quietly() {
  local said
  said="$("$@" 2>&1 </dev/null)" || { local status=$?; printf '%s\n' "$said" >&2; return "$status"; }
}
