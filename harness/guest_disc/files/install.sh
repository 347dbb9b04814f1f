#!/bin/sh
# Install vsocks in a Linux guest, or remove it. As root:
#
#     sh install.sh
#     sh install.sh --uninstall
#
# PREFIX=/usr/local is where the program goes.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
program=${PREFIX:-/usr/local}/bin/vsocks
unit=/etc/systemd/system/vsocks-guest.service
rules=/etc/udev/rules.d

fail() {
    echo "install.sh: error: $*" >&2
    exit 1
}

put() { # SOURCE TARGET MODE
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    mv "$2.new" "$2"
}

systemd_runs() { [ -d /run/systemd/system ]; }

reload_udev() {
    ! command -v udevadm >/dev/null || { udevadm control --reload && udevadm trigger; } || true
}

uninstall() {
    if systemd_runs && [ -e "$unit" ]; then
        systemctl disable --now vsocks-guest
    fi
    for rule in "$here"/*.rules; do
        rm -f "$rules/$(basename "$rule")"
    done
    rm -f "$program" "$unit"
    ! systemd_runs || systemctl daemon-reload
    reload_udev
    echo "vsocks is removed"
}

install_service() {
    # As the unit and the rule want it.
    id vsocks >/dev/null 2>&1 ||
        useradd --system --user-group --home-dir / --shell /usr/sbin/nologin vsocks
    for rule in "$here"/*.rules; do
        put "$rule" "$rules/$(basename "$rule")" 0644
    done
    reload_udev
    sed "s#/usr/bin/vsocks#$program#" "$here/vsocks-guest.service" >"$unit.new"
    chmod 0644 "$unit.new"
    mv "$unit.new" "$unit"
    systemctl daemon-reload
    systemctl enable vsocks-guest
    systemctl restart vsocks-guest
    echo "the service vsocks-guest runs, and starts with the machine"
}

[ "$(id -u)" = 0 ] || fail "only root can: sudo sh $0 $*"
case "${1:-}" in
--uninstall)
    uninstall
    exit
    ;;
?*) fail "$1 is unknown: sh $0 [--uninstall]" ;;
esac

(cd "$here" && sha256sum --quiet -c SHA256SUMS) || fail "the disc is damaged: see above"
command -v python3 >/dev/null || fail "there is no python3; vsocks needs Python 3.11 or newer"
version=$(python3 "$here/vsocks.pyz" --version) || exit
put "$here/vsocks.pyz" "$program" 0755
echo "$version is installed: $program"

if systemd_runs; then
    install_service
else
    echo "to start it: $program guest"
fi
