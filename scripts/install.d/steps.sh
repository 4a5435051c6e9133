# The steps of scripts/install and scripts/uninstall. Each says what it changes, and changes nothing
# that is already so. $root stands before every path; it is empty on the machine itself.

commands='derhead deragent derlaunch'
# Below /usr/local, where bash-completion and zsh look by themselves.
bash_completions=share/bash-completion/completions
zsh_completions=share/zsh/site-functions

# placed: each path that is a link below /usr/local and a file of the version in use.
placed() {
    local command
    for command in $commands; do
        echo "bin/$command $bash_completions/$command $zsh_completions/_$command"
    done
}

die() {
    echo "$0: $1" >&2
    exit 2
}

told() { echo "  $1"; }

# id_of NAME passwd|group: its number in the system under $root.
id_of() {
    if [ "$1" = root ]; then
        echo 0
    else
        awk -F: -v name="$1" '$1 == name {print $3}' "$root/etc/$2"
    fi
}

# owned OWNER[:GROUP] PATH: gives it to them; left out by whoever may not.
owned() {
    [ "$(id -u)" = 0 ] || return 0
    chown "$(id_of "${1%:*}" passwd):$(id_of "${1#*:}" group)" "$root$2"
}

# folder MODE OWNER PATH: makes the folder if it is missing.
folder() {
    [ ! -d "$root$3" ] || return 0
    install -d -m "$1" "$root$3"
    owned "$2" "$3"
    told "$3"
}

# put MODE OWNER PATH: writes standard input into the file, unless it holds just that.
put() {
    local new
    new=$(mktemp)
    cat >"$new"
    if ! cmp -s "$new" "$root$3"; then
        install -D -m "$1" "$new" "$root$3"
        owned "$2" "$3"
        told "$3"
    fi
    rm -f "$new"
}

# begin MODE OWNER PATH: the same, but leaves any file that is there.
begin() {
    if [ -e "$root$3" ]; then cat >/dev/null; else put "$@"; fi
}

# point PATH TARGET: makes the path a link, in one step for whoever follows it meanwhile.
point() {
    [ "$(readlink "$root$1" || true)" != "$2" ] || return 0
    ln -sfn "$2" "$root$1.new"
    mv -T "$root$1.new" "$root$1"
    told "$1 -> $2"
}

# remove PATH...: what is there of them.
remove() {
    local path
    for path in "$@"; do
        [ -e "$root$path" ] || [ -L "$root$path" ] || continue
        rm -rf "$root$path"
        told "removed $path"
    done
}

# manage ARGUMENTS: systemctl, on the machine itself if systemd runs it.
manage() {
    [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
    systemctl --quiet "$@"
}

# instance SITE: the site's name as a name of a file and a unit.
instance() {
    local name
    name=$(tr '[:upper:]' '[:lower:]' <<<"$1" | tr -cs 'a-z0-9._\n' '-' | sed 's/^[-.]*//; s/-*$//')
    [ -n "$name" ] || die "the site '$1' has no letter or digit for a name; give its id"
    echo "$name"
}

# The version, and a digest that tells apart two states of the source with the same version.
name_release() {
    local version digest
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' proto/derproto/__init__.py)
    digest=$(find derhead deragent launcher proto docs ops pyproject.toml constraints.txt \
        \( -name __pycache__ -o -name '*.egg-info' \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
    echo "$version-${digest:0:12}"
}
