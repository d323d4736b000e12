#!/bin/bash
# SPDX-License-Identifier: ISC
#
# Installs the Debian packages that are missing for building, testing and the
# demonstration; with "lint", those for "make lint" and the clang build too,
# with "bench" the one that draws its plot, with "check" and "interop" the mail
# servers that these try. Those that cannot be installed beside Postfix are
# unpacked into build/interop (see tests/interop/obtain.py).
# Only root installs; others are told what is missing (exit status 1).
# Postfix comes without a configuration, so no system Postfix is started, and
# nothing is removed for it: with another mail server installed, this fails.
set -euo pipefail

PACKAGES=(gcc libc6-dev make pkg-config libevent-dev libssl-dev libgsasl-dev
    libsqlite3-dev libbsd-dev libidn2-dev libunistring-dev libcmocka-dev
    libsystemd-dev libjansson-dev libmilter-dev strace
    postfix postfix-lmdb libsasl2-modules sasl2-bin fetchmail gsasl python3
    python3-pytest python3-pytest-xdist python3-cryptography
    python3-prometheus-client libpython3.11-testsuite openssl sqlite3 miltertest
    acl logrotate systemd)
# It would start at once: only where nothing starts services, as in a container.
[[ -d /run/systemd/system ]] || PACKAGES+=(fail2ban)
CHECK=(python3-aiosmtpd libnet-server-mail-perl)
INTEROP=("${CHECK[@]}" python3-twisted m4)
LINT=(clang clang-format clang-tidy cppcheck shellcheck mandoc)

case ${1:-} in
lint) PACKAGES+=("${LINT[@]}") ;;
bench) PACKAGES+=(gnuplot-nox) ;;
check) PACKAGES+=("${CHECK[@]}") ;;
interop) PACKAGES+=("${INTEROP[@]}") ;;
esac

install_missing() {
	if [[ $(id -u) != 0 ]]; then
		echo "missing Debian packages: ${missing[*]} (as root: make deps)" >&2
		exit 1
	fi
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	debconf-set-selections \
	    <<<"postfix postfix/main_mailer_type select No configuration"
	apt-get -q update
	apt-get -q install -y --no-remove --no-install-recommends "${missing[@]}"
}

missing=()
for package in "${PACKAGES[@]}"; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
	    2>/dev/null) || state=none
	[[ $state == installed ]] || missing+=("$package")
done
((${#missing[@]} == 0)) || install_missing

# Only root can run them.
if [[ $(id -u) == 0 && ${1:-} =~ ^(check|interop)$ ]]; then
	exec /usr/bin/python3 "$(dirname "$0")/interop/obtain.py" "$1"
fi
