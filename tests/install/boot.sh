#!/bin/bash
# SPDX-License-Identifier: ISC
#
# A fresh Debian with a real systemd, in a directory, with networks of its own:
# the relay on which the packages are tried.
#
#   boot.sh start        builds the root if it is missing, boots, waits
#   boot.sh exec CMD...  as root inside, in the relay's network
#   boot.sh net CMD...   the same in this machine's network, for apt
#   boot.sh far CMD...   on this machine's files, in a second network at the
#                        other end of a wire: a customer, 10.99.0.2; the relay
#                        is 10.99.0.1
#   boot.sh reboot       and waits until it is up again
#   boot.sh stop         powers it off, and removes networks and control groups
#
# NAME tells several apart, DIR is where it lies, SUITE what it is (bookworm).
# DIR/SUITE.tar keeps what debootstrap made for the next time. Root only; it
# starts in a container that has no systemd, if that may make namespaces.
set -euo pipefail

NAME=${NAME:-odmr$$}
DIR=${DIR:?where to}
SUITE=${SUITE:-bookworm}
ROOT=$DIR/root
STATE=$DIR/state
BASE=$DIR/../$SUITE.tar
GROUP=odmr-$NAME
IN=$NAME-in FAR=$NAME-far
INCLUDE=systemd,systemd-sysv,dbus,udev,iproute2,procps,ca-certificates,cron
INCLUDE+=,logrotate,kmod,netbase
PATH_INSIDE=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

die() {
	echo "boot.sh: $*" >&2
	exit 1
}

# This machine's PID of the relay's init: a child of nspawn, which is one of the
# shell that starts it again.
leader() {
	local pid
	pid=$(cat "$STATE/pid" 2>/dev/null) || return 1
	pid=$(pgrep -P "$pid" -x systemd-nspawn) || return 1
	pgrep -P "$pid" -x systemd
}

runs() {
	[[ -d /proc/$(cat "$STATE/pid" 2>/dev/null || echo none) ]]
}

# ---- the root

mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources \
	    2>/dev/null | sed -n 's/^URIs: *\(.*\/debian\)\/* *$/\1/p
	    s/^deb \(\[[^]]*\] \)*\([^ ]*\/debian\)\/* .*/\2/p' | sed q
}

# apt inside is what it is here: archive, keys, proxies.
copy_apt() {
	local file=/etc/apt/sources.list.d/debian.sources here
	here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	if [[ -f $file ]]; then
		sed "s/$here/$SUITE/g" $file >"$ROOT$file"
		rm -f "$ROOT/etc/apt/sources.list"
	fi
	for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*prox* \
	    /etc/apt/auth.conf; do
		[[ ! -f $file ]] || cp "$file" "$ROOT$file"
	done
	cp /usr/share/keyrings/debian-* "$ROOT/usr/share/keyrings/" || :
	cp /usr/local/share/ca-certificates/* \
	    "$ROOT/usr/local/share/ca-certificates/" 2>/dev/null || :
	chroot "$ROOT" update-ca-certificates >/dev/null 2>&1 || :
}

build() {
	local from
	[[ ! -x $ROOT/lib/systemd/systemd ]] || return 0
	mkdir -p "$ROOT"
	if [[ ! -f $BASE ]]; then
		from=$(mirror) || :
		[[ $from ]] || die "no mirror of Debian in apt's sources"
		debootstrap --variant=minbase --include="$INCLUDE" "$SUITE" "$ROOT" \
		    "$from" >"$DIR/debootstrap.log" 2>&1 ||
		    die "see $DIR/debootstrap.log"
		chroot "$ROOT" apt-get clean
		tar -C "$ROOT" --numeric-owner --xattrs -cpf "$BASE.$$" .
		mv "$BASE.$$" "$BASE"
	else
		tar -C "$ROOT" --numeric-owner --xattrs -xpf "$BASE"
	fi
	copy_apt
	ln -sf /dev/null "$ROOT/etc/systemd/system/console-getty.service"
	echo relay >"$ROOT/etc/hostname"
	printf '127.0.0.1\tlocalhost\n10.99.0.1\trelay.example.net relay\n' \
	    >"$ROOT/etc/hosts"
}

# ---- networks, control groups

networks() {
	local net
	for net in "$IN" "$FAR"; do
		ip netns add "$net"
		ip -n "$net" link set lo up
	done
	ip -n "$IN" link add eth0 type veth peer name eth0 netns "$FAR"
	ip -n "$IN" addr add 10.99.0.1/24 dev eth0
	ip -n "$FAR" addr add 10.99.0.2/24 dev eth0
	ip -n "$IN" link set eth0 up
	ip -n "$FAR" link set eth0 up
}

hierarchies() {
	local top
	for top in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
		[[ ! -e $top/cgroup.procs ]] || echo "$top/$GROUP"
	done
}

into_group() {
	local group
	for group in $(hierarchies); do
		mkdir -p "$group"
		echo $BASHPID >"$group/cgroup.procs"
	done
}

# ---- booting

wait_up() {
	local i pid state=
	for ((i = 0; i < 240; i++)); do
		if pid=$(leader); then
			state=$(inside "$pid" systemctl is-system-running \
			    2>/dev/null) || :
			[[ ! $state =~ ^(running|degraded)$ ]] || return 0
		fi
		runs || die "it ended: see $STATE/console"
		sleep 0.5
	done
	die "not up after two minutes ($state): see $STATE/console"
}

# nspawn refuses to tidy up where /run is no tmpfs. With --keep-unit it ends with
# 133 at a reboot, for somebody else to start it again.
BOOT='mkdir -p /run/systemd/nspawn
    mount -t tmpfs -o mode=0755 tmpfs /run/systemd/nspawn || exit
    while "$@"; [ $? -eq 133 ]; do :; done'

start() {
	! runs || die "it runs already"
	build
	mkdir -p "$STATE"
	networks
	(
		into_group
		export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
		exec setsid unshare -m sh -c "$BOOT" sh \
		    systemd-nspawn --boot --directory="$ROOT" --machine="$NAME" \
		    --hostname=relay --register=no --keep-unit \
		    --network-namespace-path="/run/netns/$IN" --resolv-conf=off \
		    --timezone=off --link-journal=no --console=pipe \
		    --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN \
		    --system-call-filter=bpf </dev/null >"$STATE/console" 2>&1
	) &
	echo $! >"$STATE/pid"
	disown
	wait_up
}

# shellcheck disable=SC2016 # for the shell inside
# A process of another PID namespace in a group makes systemctl fail, so the
# group is joined from inside.
JOIN='for top in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ ! -e $top/cgroup.procs ] || {
        mkdir -p $top/exec.scope && echo $$ >$top/exec.scope/cgroup.procs
    } 2>/dev/null
done
exec "$@"'

inside() { # PID-OF-INIT command...
	local pid=$1
	shift
	nsenter -t "$pid" -m -u -i -n -p -C -r -w env -i PATH="$PATH_INSIDE" \
	    HOME=/root USER=root LOGNAME=root TERM=dumb LANG=C.UTF-8 \
	    sh -c "$JOIN" sh "$@"
}

run() {
	local pid
	pid=$(leader) || die "it does not run"
	inside "$pid" "$@"
}

net() {
	local pid proxies
	pid=$(leader) || die "it does not run"
	mapfile -t proxies < <(env | grep -i '^[a-z]*_proxy=')
	nsenter -t "$pid" -m -p -w sh -c 'cat >/run/resolv.host' </etc/resolv.conf
	# shellcheck disable=SC2016
	nsenter -t "$pid" -m -u -i -p -C -r -w env -i PATH="$PATH_INSIDE" \
	    HOME=/root USER=root LOGNAME=root TERM=dumb LANG=C.UTF-8 \
	    DEBIAN_FRONTEND=noninteractive "${proxies[@]}" unshare -m sh -c '
		touch /etc/resolv.conf
		mount --bind /run/resolv.host "$(readlink -f /etc/resolv.conf)"
		'"$JOIN" sh "$@"
}

wait_gone() { # PID seconds
	local i
	for ((i = 0; i < 2 * $2; i++)); do
		[[ -d /proc/$1 ]] || return 0
		sleep 0.5
	done
	return 1
}

restart() {
	local pid
	pid=$(leader) || die "it does not run"
	inside "$pid" systemctl --no-block reboot
	wait_gone "$pid" 120 || die "it does not go down"
	wait_up
}

stop() {
	local pid init group
	if runs; then
		pid=$(cat "$STATE/pid")
		if init=$(leader); then
			inside "$init" systemctl --no-block poweroff 2>/dev/null || :
			wait_gone "$init" 40 || kill -KILL "$init"
		fi
		wait_gone "$pid" 10 || kill -KILL "$pid"
	fi
	for group in $(hierarchies); do
		[[ ! -d $group ]] || find "$group" -depth -type d \
		    -exec rmdir {} + 2>/dev/null || :
	done
	ip netns del "$IN" 2>/dev/null || :
	ip netns del "$FAR" 2>/dev/null || :
	rm -rf "$STATE"
}

verb=${1:-}
(($# == 0)) || shift
case $verb in
start) start ;;
exec) run "$@" ;;
net) net "$@" ;;
far) exec ip netns exec "$FAR" "$@" ;;
reboot) restart ;;
stop) stop ;;
*)
	sed -n '4,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 64
	;;
esac
