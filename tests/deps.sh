#!/bin/bash
# SPDX-License-Identifier: ISC
#
# Installs the Debian packages that are missing: those that building takes, and
# Postfix's lmdb; and besides, for what is named,
#
#   demo      the demonstration
#   test      "make check", and the mail servers that it tries
#   interop   all mail servers
#   bench     the benchmarks
#   lint      "make lint" and the clang build
#   deb       "make deb"
#   install   "make check-install"
#
# Servers that cannot be installed beside Postfix are unpacked into build/interop
# (see tests/interop/obtain.py). Only root installs; others are told what is
# missing (exit status 1). Where Postfix is not installed it comes without a
# configuration, so it is not started; one that is there is left as it is. Nothing
# is removed: with another mail server installed, this fails.
set -euo pipefail

BUILD=(gcc libc6-dev make pkg-config libevent-dev libssl-dev libgsasl-dev
    libsqlite3-dev libbsd-dev libidn2-dev libunistring-dev libsystemd-dev
    libjansson-dev libmilter-dev postfix-lmdb)
DEMO=(postfix libcmocka-dev libsasl2-modules sasl2-bin fetchmail gsasl python3
    python3-pytest python3-pytest-xdist python3-cryptography
    python3-prometheus-client libpython3.11-testsuite openssl sqlite3 miltertest
    acl logrotate strace systemd nftables iptables iproute2)
# It would start at once: only where nothing starts services, as in a container.
[[ -d /run/systemd/system ]] || DEMO+=(fail2ban)
TEST=("${DEMO[@]}" python3-aiosmtpd libnet-server-mail-perl)
INTEROP=("${TEST[@]}" python3-twisted m4)
BENCH=("${DEMO[@]}" gnuplot-nox)
LINT=(libcmocka-dev python3 clang clang-format clang-tidy cppcheck shellcheck
    mandoc)
DEB=(debhelper dpkg-dev lintian)
# It says where Debian 12 has its units.
! grep -q '^VERSION_ID="12"' /etc/os-release || DEB+=(systemd)
INSTALL=("${DEB[@]}" debootstrap systemd-container iproute2 openssl fetchmail
    python3)

PACKAGES=("${BUILD[@]}")
case ${1:-} in
'') ;;
demo) PACKAGES+=("${DEMO[@]}") ;;
test) PACKAGES+=("${TEST[@]}") ;;
interop) PACKAGES+=("${INTEROP[@]}") ;;
bench) PACKAGES+=("${BENCH[@]}") ;;
lint) PACKAGES+=("${LINT[@]}") ;;
deb) PACKAGES+=("${DEB[@]}") ;;
install) PACKAGES+=("${INSTALL[@]}") ;;
*)
	sed -n '/^# *demo /,/^# *install /s/^#/deps.sh:/p' "$0" >&2
	exit 64
	;;
esac

is_installed() { # package
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_missing() {
	if [[ $(id -u) != 0 ]]; then
		echo "missing Debian packages: ${missing[*]}" \
		    "(as root: make deps${1:+ DEPS=$1})" >&2
		exit 1
	fi
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	is_installed postfix || debconf-set-selections \
	    <<<"postfix postfix/main_mailer_type select No configuration"
	apt-get -q update
	apt-get -q install -y --no-remove --no-install-recommends "${missing[@]}"
}

missing=()
for package in "${PACKAGES[@]}"; do
	is_installed "$package" || missing+=("$package")
done
((${#missing[@]} == 0)) || install_missing "${1:-}"

# Only root can run them.
if [[ $(id -u) == 0 && ${1:-} =~ ^(test|interop)$ ]]; then
	exec /usr/bin/python3 "$(dirname "$0")/interop/obtain.py" "$1"
fi
