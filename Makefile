# postfix-odmr: one Makefile, no recursion.
#
#   make                 the programs, in build/
#   make SAN=1           the same under ASan and UBSan, in build/san/
#   make check           every test; make demo: see it work
#   make bench           how fast it is; make bench-idle: what idling costs;
#                        bench-etrn: how soon ETRN is answered;
#                        bench-fetchmail: what fetchmail collects;
#                        bench-milter: what the milter costs; bench-scale: what
#                        100,000 held messages cost; bench-stalling: what
#                        customers that stall cost another
#   make interop         real mail servers as customers: the matrix
#   make lint            formatter, analysers, man pages
#   make install DESTDIR= PREFIX=/usr/local; make uninstall
#   make deb              postfix-odmr_*.deb, in build/deb/
#   make dist             postfix-odmr-VERSION.tar.gz, in build/
#   make check-install    the package on a freshly booted Debian (SUITE=)

PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
LIBDIR  ?= $(PREFIX)/lib
DATADIR ?= $(PREFIX)/share
MANDIR  ?= $(DATADIR)/man
DOCDIR  ?= $(DATADIR)/doc/postfix-odmr
UNITDIR ?= $(LIBDIR)/systemd/system
SYSCONFDIR ?= /etc
CONFDIR ?= $(SYSCONFDIR)/odmr
VERSION := $(shell cat VERSION)

ifdef SAN
BUILD    := build/san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all
else
BUILD    := build
HARDEN   := -D_FORTIFY_SOURCE=2
endif

PKGS     := libevent_core libssl libcrypto libgsasl sqlite3 \
	    libbsd-overlay libidn2 jansson
# Postfix's log may be in the journal (mail_log), where there is one.
ifeq ($(shell pkg-config --exists libsystemd && echo yes),yes)
PKGS     += libsystemd
CPPFLAGS += -DHAVE_LIBSYSTEMD
endif
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	    -Wmissing-prototypes -Wformat=2 -Wvla -Wwrite-strings
CFLAGS   ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -I. -I$(BUILD)/gen \
	    -DCONFDIR='"$(CONFDIR)"' -DODMR_VERSION='"$(VERSION)"' \
	    $(shell pkg-config --cflags $(PKGS))
ALL_CFLAGS := -std=c11 $(WARN) $(CFLAGS) $(HARDEN) $(SANFLAGS) \
	    -fstack-protector-strong -fPIE -pthread
ALL_LDFLAGS := $(LDFLAGS) $(SANFLAGS) -pie -Wl,-z,relro,-z,now \
	    -Wl,--as-needed -pthread
LDLIBS   := $(shell pkg-config --libs $(PKGS)) -lunistring

PROGRAMS := odmrd odmr-milter odmrctl etrn-trigger
DIR_odmrd       := odmrd
DIR_odmr-milter := milter
DIR_odmrctl     := odmrctl
DIR_etrn-trigger := etrn-trigger
MILTER_LIBS := $(shell pkg-config --libs milter)
LIBS_odmr-milter := $(MILTER_LIBS)
LIBS_odmrctl := -lresolv
LIBS_etrn-trigger := -lresolv
LIBS_odmrd := -lresolv

objects   = $(patsubst %.c,$(BUILD)/obj/%.o,\
	    $(sort $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*/*/*.c)))
LIB      := $(BUILD)/libodmr.a
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,\
	    $(wildcard tests/unit/test_*.c))

.DELETE_ON_ERROR:
.PHONY: all unit
all: $(PROGRAMS:%=$(BUILD)/%)

define program
$(BUILD)/$(1): $(call objects,$(DIR_$(1))) $(LIB)
	$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $(LIBS_$(1)) $$(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(LIB): $(call objects,lib)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The schemas travel inside the programs: each .sql file is one C string.
$(BUILD)/obj/lib/store/schema.o: $(BUILD)/gen/schema.inc
$(BUILD)/gen/schema.inc: $(sort $(wildcard sql/*.sql)) sql/embed.sh
	@mkdir -p $(@D)
	sh sql/embed.sh $(filter %.sql,$^) > $@

UNIT_test_message := milter/message.c
UNIT_test_peers   := $(addprefix odmrd/client/,peers.c crowd.c guess.c \
    hash_turn.c)
UNIT_test_settle  := $(addprefix odmrd/jobs/,settle.c settle_note.c \
		     history.c workaround_name.c) \
		     odmrd/delivery/transaction.c odmrd/net/budget.c
UNIT_test_worker  := odmrd/jobs/worker.c odmrd/net/loop.c
UNIT_test_intake  := odmrd/net/intake.c
UNIT_test_refusal := odmrd/delivery/refusal.c
UNIT_test_listener := $(addprefix odmrd/net/,listener.c loop.c)
UNIT_test_link    := $(addprefix odmrd/net/,link.c link_flow.c intake.c loop.c \
		     tls.c wire.c)
UNIT_test_handshakes := $(UNIT_test_link)
UNIT_test_memory_queue := odmrd/delivery/memory_queue.c odmrd/net/loop.c
UNIT_test_request := etrn-trigger/request.c

unit: $(UNIT)
# A unit test links the library and, through UNIT_<test>, the objects of the
# role that it tests.
.SECONDEXPANSION:
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o \
	    $$(addprefix $(BUILD)/obj/,$$(addsuffix .o,$$(basename $$(UNIT_$$*)))) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# What stands at the ends of the line when `make bench` measures.
BENCH         := $(addprefix $(BUILD)/bench/,sink customer delay)
BENCH_MILTER  := $(BUILD)/bench/idle_milter
BENCH_sink     := serve stream
BENCH_customer := serve stream
BENCH_LIBS_idle_milter := $(MILTER_LIBS)

$(BENCH) $(BENCH_MILTER): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o \
	    $$(addprefix $(BUILD)/obj/tests/bench/,$$(addsuffix .o,$$(BENCH_$$*)))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BENCH_LIBS_$*) $(LDLIBS)

.PHONY: clean
clean:
	rm -rf build

$(BUILD)/obj/lib/version.o: VERSION

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- tests, demonstration --------------------------------------------------

.PHONY: deps check property property-seeded demo bench bench-idle bench-etrn \
	bench-fetchmail bench-milter bench-scale bench-stalling interop lint
export ODMR_BUILD = $(abspath $(BUILD))
export CC

# What building takes; DEPS=test, lint, ...: see there for what besides.
deps:
	tests/deps.sh $(DEPS)

# check and demo install what is missing before they build: see the scripts.
check:
	+MAKE='$(MAKE)' tests/check.sh

# odmrd between random customers and random mail; "make check" does a minute.
SECONDS ?= 600
property: all
	tests/property/property.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) \
	    $(if $(RUN),--run $(RUN))

# Faults put into odmrd, which the property test has to find.
property-seeded:
	tests/property/seeded.py

demo:
	+MAKE='$(MAKE)' tests/demo.sh

# How fast mail is dequeued, and against what; BENCH_QUICK=1 for a short look.
bench:
	tests/deps.sh bench
	+$(MAKE) all $(BENCH)
	tests/bench/bench.py

# Memory and CPU of 5,000 TLS sessions that do nothing.
bench-idle: all
	tests/bench/idle.py $(SESSIONS)

# How soon the policy service answers.
bench-etrn: all
	tests/bench/policy.py

# How fast real fetchmail and a real Postfix collect.
bench-fetchmail: all
	tests/bench/fetchmail.py $(MESSAGES)

# How much mail Postfix accepts with the milter, with one that does nothing, and
# without.
bench-milter: all $(BENCH_MILTER)
	tests/bench/milter.py $(ROUNDS)

# What those notice of 100,000 held messages who ask for something else.
bench-scale: all
	tests/bench/scale.py

# What a customer notices of others that stall.
bench-stalling:
	+$(MAKE) all $(BENCH)
	tests/bench/stalling.py

# A corpus into real mail servers; ONLY="haraka exim" picks, SEED= replays.
interop:
	tests/deps.sh interop
	+$(MAKE) all
	tests/interop/matrix.py $(if $(SEED),--seed $(SEED)) \
	    $(if $(KEEP),--keep $(KEEP)) $(ONLY)

lint: export CPPFLAGS := $(CPPFLAGS)
lint: $(BUILD)/gen/schema.inc
	tests/lint.sh

# ---- installation ----------------------------------------------------------

# What make install puts where: FILE:TARGET. In FILE, the default paths are
# replaced by those of this installation.
UNITS    := odmrd.service odmr-milter.service odmr-probe.service \
	    odmr-etrn@.service odmr-etrn@.timer \
	    odmr-reconcile.service odmr-reconcile.timer
SHARED   := \
    $(foreach page,$(wildcard man/*.[1-8]),\
	$(page):$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
    $(foreach unit,$(UNITS),postfix-conf/$(unit):$(UNITDIR)/$(unit)) \
    postfix-conf/sysusers.conf:$(LIBDIR)/sysusers.d/postfix-odmr.conf \
    postfix-conf/tmpfiles.conf:$(LIBDIR)/tmpfiles.d/postfix-odmr.conf \
    postfix-conf/odmrctl.bash:$(DATADIR)/bash-completion/completions/odmrctl \
    postfix-conf/fail2ban-odmrd.conf:$(SYSCONFDIR)/fail2ban/filter.d/odmrd.conf \
    $(foreach file,main.cf master.cf odmr.cron,\
	postfix-conf/$(file):$(DOCDIR)/postfix-conf/$(file))
# What the operator changes: never replaced, never removed.
CONFS    := $(foreach file,odmr.conf etrn_filter etrn_flush etrn_utf8,\
	postfix-conf/$(file):$(CONFDIR)/$(file))

target    = $(DESTDIR)$(lastword $(subst :, ,$(1)))
put       = install -D -m 644 "$(firstword $(subst :, ,$(1)))" "$(target)" && \
	    sed -i $(FITTED) "$(target)"
FITTED    = -e 's|/etc/odmr|$(CONFDIR)|g' -e 's|/usr/local/sbin|$(SBINDIR)|g' \
	    -e 's|/usr/local/share/doc/postfix-odmr|$(DOCDIR)|g' \
	    $(if $(filter libsystemd,$(PKGS)),,-e 's|^mail_log = journal|\#&|')

# A line of the recipe for each file.
define newline


endef
.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(SBINDIR)
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) $(DESTDIR)$(SBINDIR)
	$(foreach file,$(SHARED),$(call put,$(file))$(newline)	)
	$(foreach file,$(CONFS),test -e "$(call target,$(file))" || \
	    { $(call put,$(file)); }$(newline)	)

# Leaves CONFDIR, the database and the user. Before that: odmrctl setup --undo.
uninstall:
	rm -f $(PROGRAMS:%="$(DESTDIR)$(SBINDIR)/%") \
	    $(foreach file,$(SHARED),"$(call target,$(file))")
	-rmdir "$(DESTDIR)$(DOCDIR)/postfix-conf" "$(DESTDIR)$(DOCDIR)"

# ---- what is given away ----------------------------------------------------

NAME     := postfix-odmr-$(VERSION)
# Of a checkout what git knows of; of a tarball, all that is in it.
FILES     = $(if $(wildcard .git),git ls-files,find . -type f ! -path './build*')

.PHONY: dist deb check-install
dist:
	mkdir -p build
	$(FILES) | tar --create --gzip --file=build/$(NAME).tar.gz \
	    --files-from=- --transform='s|^\(\./\)*|$(NAME)/|' --sort=name \
	    --owner=root:0 --group=root:0 --mode=go=rX,u+rw,a-s

# Built from the tarball, beside the tree.
deb: dist
	tests/deps.sh deb
	rm -rf build/deb
	mkdir -p build/deb
	tar -C build/deb -xzf build/$(NAME).tar.gz
	cd build/deb/$(NAME) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    -u ODMR_BUILD -u CC dpkg-buildpackage -b -us -uc

# The package on a freshly booted Debian 12; SUITE=trixie: on a Debian 13, which
# builds it itself.
check-install:
	tests/deps.sh install
	+$(MAKE) $(if $(SUITE),dist,deb)
	tests/install/check_install.py $(SUITE)
