#!/bin/bash
# SPDX-License-Identifier: ISC
#
# A provider in one directory: a private Postfix with the lines of
# postfix-conf/, odmr-milter and odmrd, on free loopback ports.
#
#   sandbox.sh start DIR                          returns when all answer
#   sandbox.sh stop DIR                           returns when all are gone
#   sandbox.sh restart DIR odmrd|milter|postfix
#
# DIR/env tells ports and files as NAME=value lines. What was in DIR (queue,
# databases) stays, so that a stopped sandbox can be started again. Nothing
# outside DIR is written, and nothing but our own processes is ended.
#
# ODMR_BUILD is where the programs are (default: build/ of this tree).
# SANDBOX_CHROOT=y runs Postfix's services in the jail that Debian gives them.
# Exit status: 0, 1 (it did not work: the logs' ends are printed), 64 (usage).
set -uo pipefail

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
BUILD=${ODMR_BUILD:-$TREE/build}
CHROOT=${SANDBOX_CHROOT:-n}
PATH=$PATH:/usr/sbin:/sbin
START_SECONDS=20
STOP_SECONDS=40 # odmrd lets transactions finish: stop_timeout, 30s
# sun_path holds 107 bytes, and the longest of our sockets has this name.
DIR_MAX=$((107 - $(printf %s /spool/public/postlog | wc -c)))

die() { # exit-code text
	printf 'sandbox.sh: %s\n' "$2" >&2
	exit "$1"
}

say() {
	printf 'sandbox.sh: %s\n' "$1" >&2
}

probe() {
	/usr/bin/python3 "$TREE/tests/odmr/probe.py" "$@"
}

# ---- processes -----------------------------------------------------------

# The process of a pid file, if it lives and is the one with our
# configuration: the number may have been given to another process since.
daemon_pid() { # pid-file
	local pid
	read -r pid 2>/dev/null <"$1" || return 1
	[[ $pid =~ ^[0-9]+$ ]] &&
	    tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
	    grep -qxF -- "$ODMR_CONF" && echo "$pid"
}

# Waits until `command` succeeds. With `pid`, gives up when that is gone.
wait_until() { # seconds pid|- command...
	local end=$((SECONDS + $1)) pid=$2
	shift 2
	until "$@"; do
		((SECONDS < end)) || return 1
		[[ $pid == - ]] || ! gone "$pid" || return 1
		sleep 0.05
	done
}

# A process that has ended may wait for an init that is slow to reap it.
gone() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# The pid file names `pid`, so the program is past its start.
announced() { # pid pid-file
	[[ $(daemon_pid "$2") == "$1" ]]
}

end_process() { # name pid
	kill -TERM "$2" 2>/dev/null
	await_end "$@"
}

await_end() { # name pid
	wait_until $STOP_SECONDS - gone "$2" && return
	say "$1 (process $2) did not end on SIGTERM within ${STOP_SECONDS}s: killed"
	kill -KILL "$2" 2>/dev/null
	wait_until 5 - gone "$2"
}

# Starts a daemon whose answer `command` asks for. No descriptor of ours stays
# with it, so that whoever reads our output sees its end.
start_daemon() { # program pid-file command...
	local program=$1 pid_file=$2 pid
	shift 2
	setsid "$BUILD/$program" -f -c "$ODMR_CONF" \
	    </dev/null >>"$MAIL_LOG" 2>&1 &
	pid=$!
	if wait_until $START_SECONDS $pid announced $pid "$pid_file" &&
	    wait_until $START_SECONDS $pid "$@"; then
		disown $pid
		return
	fi
	end_process "$program" $pid
	say "$program did not start"
	return 1
}

# ---- the three parts -----------------------------------------------------

start_milter() {
	start_daemon odmr-milter "$MILTER_PID_FILE" \
	    probe milter "$SPOOL/odmr/milter"
}

odmrd_answers() {
	probe greets "$ODMR_PORT" && probe greets "$ODMRS_PORT" "$TLS_CA"
}

start_odmrd() {
	start_daemon odmrd "$ODMRD_PID_FILE" odmrd_answers
}

stop_daemon() { # program pid-file
	local pid
	pid=$(daemon_pid "$2") && end_process "$1" "$pid"
	return 0
}

# Each program of Postfix waits until its files are some seconds old: they are.
start_postfix() {
	touch -d @1 "$POSTFIX_CONFIG"/*.cf
	if ! postfix -c "$POSTFIX_CONFIG" start </dev/null >>"$DIR/start.log" 2>&1 ||
	    ! wait_until $START_SECONDS - probe greets "$SMTP_PORT"; then
		say "Postfix did not start"
		return 1
	fi
}

# Postfix's own programs that work in our queue directory.
postfix_processes() { # [program]
	local proc
	for proc in /proc/[0-9]*; do
		[[ $(readlink "$proc/cwd") == "$SPOOL" &&
		    $(readlink "$proc/exe") == "$DAEMONS"/${1:-*} ]] &&
		    echo "${proc#/proc/}"
	done 2>/dev/null
}

postfix_gone() {
	[[ -z $(postfix_processes) ]]
}

# What "postfix stop" does, without its sleeping. The master ends the others.
stop_postfix() {
	local pid
	for pid in $(postfix_processes master); do
		kill -TERM "$pid" 2>/dev/null
	done
	wait_until 10 - postfix_gone && return
	for pid in $(postfix_processes); do
		say "Postfix's process $pid did not end: killed"
		kill -KILL "$pid" 2>/dev/null
	done
	wait_until 5 - postfix_gone
}

# ---- configuration -------------------------------------------------------

# The shipped lines as they are, but for the directories and the user they name.
shipped() { # file of postfix-conf/
	sed -e "s|/etc/odmr|$DIR/etc/odmr|g" -e "s|/var/lib/odmr|$DIR/lib|g" \
	    -e "s|/usr/local/sbin|$DIR/sbin|g" -e "s|user=odmr|user=$user|" \
	    "$TREE/postfix-conf/$1"
}

# What spawn(8) runs, where its user can reach it and with a log of ours.
write_policy_program() {
	install -m 755 "$BUILD/etrn-trigger" "$DIR/sbin/etrn-trigger.bin" &&
	    cat >"$DIR/sbin/etrn-trigger" <<-END &&
	#!/bin/sh
	exec "$DIR/sbin/etrn-trigger.bin" "\$@" 2>>"$MAIL_LOG"
	END
	    chmod 755 "$DIR/sbin/etrn-trigger"
}

write_env() {
	local ports
	ports=$(probe ports 3) || return 1
	read -r SMTP_PORT ODMR_PORT ODMRS_PORT <<<"$ports"
	cat >"$DIR/env" <<-END
	SMTP_PORT=$SMTP_PORT
	ODMR_PORT=$ODMR_PORT
	ODMRS_PORT=$ODMRS_PORT
	POSTFIX_CONFIG=$DIR/etc/postfix
	ODMR_CONF=$DIR/etc/odmr/odmr.conf
	TLS_CA=$DIR/etc/odmr/ca.pem
	MAIL_LOG=$DIR/mail.log
	ODMRD_PID_FILE=$DIR/run/odmrd.pid
	MILTER_PID_FILE=$DIR/run/odmr-milter.pid
	DATABASE=$DIR/lib/odmr.db
	END
}

read_env() {
	[[ -r $DIR/env ]] || die 64 "$DIR/env: no sandbox was started there"
	# shellcheck source=/dev/null
	. "$DIR/env"
}

may_enter() { # user
	setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups \
	    test -x "$DIR" 2>/dev/null
}

# odmrd and the milter drop to this user, who must be able to reach DIR.
choose_user() {
	user=nobody
	id odmr >/dev/null 2>&1 && user=odmr
	if ! may_enter $user; then
		say "user $user may not enter $DIR: odmrd and milter stay root, port 25 has no ETRN"
		user=root
	fi
}

make_directories() {
	chmod go+rx "$DIR" &&
	    mkdir -p "$DIR"/etc/{odmr,postfix} &&
	    install -d -m 755 "$SPOOL" "$DIR/sbin" &&
	    install -d -m 700 -o postfix "$DIR/data" || return 1
	choose_user
	install -d -m 755 -o $user "$DIR/run" || return 1
	install -d -m 2750 -o $user -g postfix "$SPOOL/odmr" "$DIR/lib"
}

make_certificates() {
	local tls=$DIR/etc/odmr
	[[ -f $tls/server.pem ]] && return
	(
		umask 077
		cd "$tls" || exit 1
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		    -subj "/CN=sandbox CA" -keyout ca.key -out ca.pem &&
		    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
			-keyout server.key -out server.csr &&
		    openssl x509 -req -in server.csr -days 30 \
			-CA ca.pem -CAkey ca.key -set_serial 2 -extfile <(echo \
			"subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1") \
			-out server.pem &&
		    chmod 644 ca.pem server.pem && chown "$user" server.key
	) >>"$DIR/start.log" 2>&1
}

write_odmr_conf() {
	cat >"$ODMR_CONF" <<-END
	myhostname = localhost
	database = $DATABASE
	domain_table = lmdb:$DIR/lib/domains
	etrn_table = lmdb:$DIR/lib/etrn_names
	log = stderr
	user = $user
	postfix_config_directory = $POSTFIX_CONFIG
	milter_socket = unix:$SPOOL/odmr/milter
	milter_pid_file = $MILTER_PID_FILE
	listen = 127.0.0.1:$ODMR_PORT
	listen_tls = 127.0.0.1:$ODMRS_PORT
	session_limit = 1000
	pid_file = $ODMRD_PID_FILE
	control_socket = $DIR/run/odmrd.sock
	socket_directory = $SPOOL/odmr
	tls_cert_file = $DIR/etc/odmr/server.pem
	tls_key_file = $DIR/etc/odmr/server.key
	END
}

# What makes it private. Mail for no relay domain, such as a bounce, is kept
# in the queue, where a test sees it, and never goes out. Messages of any size
# pass with the headers they have.
write_main_cf() {
	cat <<-END
	compatibility_level = 3.6
	queue_directory = $SPOOL
	data_directory = ../data
	maillog_file = $MAIL_LOG
	maillog_file_prefixes = $DIR
	inet_interfaces = loopback-only
	inet_protocols = $(if [[ -e /proc/net/if_inet6 ]] &&
	    grep -q ' lo$' /proc/net/if_inet6; then echo all; else echo ipv4; fi)
	myhostname = provider.test
	mydestination =
	local_recipient_maps =
	alias_maps =
	alias_database =
	mynetworks = 127.0.0.0/8, [::1]/128
	smtpd_relay_restrictions = reject_unauth_destination
	smtpd_peername_lookup = no
	local_header_rewrite_clients =
	message_drop_headers =
	message_size_limit = 0
	default_transport = retry:4.4.1 the sandbox sends nothing outside

	END
	shipped main.cf
}

# Debian's own list of services on our port, and the shipped lines.
write_master_cf() {
	sed "s/^smtp  *inet/$SMTP_PORT inet/" \
	    "$(postconf -dh meta_directory)/master.cf.proto"
	shipped master.cf
}

configure() {
	write_env || return 1
	read_env
	make_directories && make_certificates && write_odmr_conf || return 1
	cp "$TREE"/postfix-conf/etrn_{filter,flush,utf8} "$DIR/etc/odmr" || return 1
	write_policy_program || return 1
	write_main_cf >"$POSTFIX_CONFIG/main.cf" &&
	    write_master_cf >"$POSTFIX_CONFIG/master.cf" &&
	    touch -d @1 "$POSTFIX_CONFIG"/*.cf || return 1
	[[ $CHROOT == y ]] ||
	    postconf -c "$POSTFIX_CONFIG" -F '*/*/chroot=n' || return 1
	# Read by postqueue as odmrd's user; the log by whoever has a test.
	chmod -R go+rX "$DIR/etc" && chmod go= "$DIR"/etc/odmr/*.key &&
	    : >>"$MAIL_LOG" &&
	    chown "$user" "$MAIL_LOG" && chmod 644 "$MAIL_LOG"
}

# ---- commands ------------------------------------------------------------

print_logs() {
	local log
	for log in "$DIR/start.log" "$DIR/mail.log"; do
		[[ -s $log ]] || continue
		printf -- '---- end of %s\n' "$log"
		tail -n 30 "$log"
	done >&2
}

# odmrd first, while Postfix still takes its answers. The milter takes a second
# or two to end; mail passes without it.
stop_all() {
	local milter
	milter=$(daemon_pid "$MILTER_PID_FILE") && kill -TERM "$milter"
	stop_daemon odmrd "$ODMRD_PID_FILE"
	stop_postfix
	[[ -z $milter ]] || await_end odmr-milter "$milter"
}

# Fails with 2 if another process took one of the ports meanwhile.
start_all() {
	: >"$DIR/start.log"
	configure || return 1
	local log_size
	log_size=$(stat -c %s "$MAIL_LOG")
	"$BUILD/odmrctl" -c "$ODMR_CONF" init >>"$DIR/start.log" 2>&1 &&
	    start_milter && start_postfix && start_odmrd && return
	stop_all
	tail -c +"$((log_size + 1))" "$MAIL_LOG" |
	    grep -qi 'address already in use' && return 2
	return 1
}

check_start() {
	[[ $(id -u) == 0 ]] || die 1 "only root can run a Postfix"
	[[ $DIR =~ ^[A-Za-z0-9._+@/-]+$ ]] || die 64 \
	    "$DIR: Postfix's configuration cannot hold such a path"
	((${#DIR} <= DIR_MAX)) || die 64 \
	    "$DIR: too long for the paths of Postfix's sockets ($DIR_MAX at most)"
	[[ -n $DAEMONS ]] || die 1 "Postfix is not installed (make deps DEPS=test)"
	for program in odmrd odmr-milter odmrctl etrn-trigger; do
		[[ -x $BUILD/$program ]] ||
		    die 1 "$BUILD/$program: missing (make)"
	done
	mkdir -p "$DIR" || die 1 "$DIR: cannot be made"
}

running() {
	[[ -r $DIR/env ]] || return 1
	read_env
	daemon_pid "$ODMRD_PID_FILE" || daemon_pid "$MILTER_PID_FILE" ||
	    ! postfix_gone
}

start() {
	check_start
	running >/dev/null && die 64 "$DIR: a sandbox is running there"
	for _ in 1 2 3; do
		start_all && return
		[[ $? == 2 ]] || break
	done
	print_logs
	return 1
}

stop() {
	read_env
	stop_all
}

restart() { # part
	read_env
	: >"$DIR/start.log"
	case $1 in
	odmrd) stop_daemon odmrd "$ODMRD_PID_FILE" && start_odmrd ;;
	milter)
		stop_daemon odmr-milter "$MILTER_PID_FILE" && start_milter
		;;
	postfix) stop_postfix && start_postfix ;;
	esac && return
	print_logs
	return 1
}

usage() {
	die 64 "usage: sandbox.sh start|stop DIR, restart DIR odmrd|milter|postfix"
}

[[ $# -ge 2 && -n $2 ]] || usage
DIR=$(realpath -m -- "$2")
SPOOL=$DIR/spool
DAEMONS=$(postconf -dh daemon_directory 2>/dev/null)
case $1:$#:${3:-} in
start:2: | stop:2:) "$1" ;;
restart:3:odmrd | restart:3:milter | restart:3:postfix) restart "$3" ;;
*) usage ;;
esac
