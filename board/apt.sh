# Sourced by the set-up scripts: an apt of its own in a folder, for this machine's Debian release, that knows arm64 and
# amd64 packages and installs nothing. `private_apt FOLDER` makes it and points APT_CONFIG at it.
# shellcheck shell=bash
private_apt() {
    local apt=$1 release
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : > "$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" \
        > "$apt/sources"
    cat > "$apt/conf" <<CONF
APT::Architecture "arm64";
APT::Architectures {"arm64"; "amd64";};
APT::Sandbox::User "";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources";
Dir::Etc::sourceparts "/dev/null";
CONF
    export APT_CONFIG=$apt/conf
    apt-get -qq update
}
