# chatopsd: one Makefile for GNU make and bmake.  What a packager changes is
# in config.mk.

include config.mk

# libbsd's overlay makes <string.h> and friends look like OpenBSD's; the
# constructor is what setproctitle(3) needs.
BSD_CFLAGS !=	${PKG_CONFIG} --cflags libbsd-overlay 2>/dev/null || echo "-DNO_LIBBSD"
BSD_LIBS !=	${PKG_CONFIG} --libs libbsd-overlay libbsd-ctor 2>/dev/null || echo "-lbsd"

ALL_CPPFLAGS =	-D_GNU_SOURCE -I. -Icommon ${BSD_CFLAGS} \
		-DCHATOPS_SYSCONFDIR='"${SYSCONFDIR}"' \
		-DCHATOPS_SBINDIR='"${SBINDIR}"' \
		-DCHATOPS_LIBEXECDIR='"${LIBEXECDIR}"' ${CPPFLAGS}
ALL_CFLAGS =	-std=gnu11 ${OPT} ${CWARN} ${CHARDEN} ${SAN} ${CFLAGS}
ALL_LDFLAGS =	${LDHARDEN} ${SAN} ${LDFLAGS}

# Libraries per program: nobody links what its role has no use for.
LIBS_COMMON =	-levent -ljansson -lsodium -lpcre2-8 -lseccomp ${BSD_LIBS}
LIBS_CHATOPSD =	${LIBS_COMMON}
LIBS_NETWORK =	${LIBS_COMMON} -lcurl -lwslay -lssl -lcrypto
LIBS_EXECUTOR =	${LIBS_COMMON} -lsqlite3
LIBS_AUDITD =	${LIBS_COMMON}
LIBS_CTL =	${LIBS_COMMON} -lsqlite3 -lcrypto

# One source a line, in order.  A program is its main file and an archive of
# the rest, so that a test can link the rest.
COMMON_SRCS = \
	common/allowlist.c \
	common/allowlist_script.c \
	common/argument.c \
	common/argument_value.c \
	common/arguments.c \
	common/audit_diagnose.c \
	common/audit_form.c \
	common/audit_json.c \
	common/audit_line.c \
	common/buf.c \
	common/builtin.c \
	common/check.c \
	common/cleaner.c \
	common/conf.c \
	common/conf_file.c \
	common/conf_url.c \
	common/confine_landlock.c \
	common/confine_linux.c \
	common/confine_seccomp.c \
	common/confine_table.c \
	common/imsg.c \
	common/json.c \
	common/json_in.c \
	common/json_locate.c \
	common/log.c \
	common/markdown.c \
	common/merkle.c \
	common/monotime.c \
	common/msg.c \
	common/msg_codec.c \
	common/msg_fields.c \
	common/note.c \
	common/proc.c \
	common/safepath.c \
	common/sys.c \
	common/sys_linux.c \
	common/text_command.c \
	common/utf8.c \
	common/verify.c \
	common/verify_codes.c \
	common/verify_ids.c \
	common/verify_more.c \
	common/verify_pool.c \
	common/verify_sha256.c

CHATOPSD_SRCS = \
	chatopsd/curl_loop.c \
	chatopsd/http.c \
	chatopsd/mm_catchup.c \
	chatopsd/mm_event.c \
	chatopsd/mm_lookup.c \
	chatopsd/mm_post.c \
	chatopsd/net_call.c \
	chatopsd/net_core.c \
	chatopsd/net_identify.c \
	chatopsd/net_session.c \
	chatopsd/network.c \
	chatopsd/origin.c \
	chatopsd/parent.c \
	chatopsd/parent_files.c \
	chatopsd/parent_lock.c \
	chatopsd/parent_log.c \
	chatopsd/parent_proc.c \
	chatopsd/parent_spawn.c \
	chatopsd/parent_users.c \
	chatopsd/resolver.c \
	chatopsd/websocket.c \
	chatopsd/ws_link.c \
	chatopsd/ws_upgrade.c

CTL_SRCS = \
	chatopsd/ctl_audit.c \
	chatopsd/ctl_audit_db.c \
	chatopsd/ctl_bootstrap.c \
	chatopsd/ctl_client.c \
	chatopsd/ctl_policy.c \
	chatopsd/ctl_print.c \
	chatopsd/ctl_verify.c

EXECUTOR_SRCS = \
	executor/ask.c \
	executor/builtin.c \
	executor/builtin_admin.c \
	executor/builtin_info.c \
	executor/builtin_job.c \
	executor/builtin_user.c \
	executor/change.c \
	executor/channel.c \
	executor/command.c \
	executor/control.c \
	executor/core.c \
	executor/ctl_server.c \
	executor/db.c \
	executor/db_job.c \
	executor/db_schema.c \
	executor/db_seen.c \
	executor/db_sql.c \
	executor/db_user.c \
	executor/explain.c \
	executor/job.c \
	executor/job_check.c \
	executor/job_end.c \
	executor/job_post.c \
	executor/job_recover.c \
	executor/lookup.c \
	executor/late.c \
	executor/policy.c \
	executor/rate.c \
	executor/record.c \
	executor/refuse.c \
	executor/runner.c \
	executor/runner_check.c \
	executor/runner_core.c \
	executor/runner_init.c \
	executor/runner_mounts.c \
	executor/runner_script.c \
	executor/runner_spawn.c \
	executor/runner_trial.c \
	executor/say.c \
	executor/status.c

AUDITD_SRCS = \
	auditd/audit.c \
	auditd/chain.c \
	auditd/chain_body.c \
	auditd/keys.c \
	auditd/recover.c \
	auditd/shell.c

MAIN_SRCS = \
	auditd/auditd.c \
	chatopsd/chatops-network.c \
	chatopsd/chatopsctl.c \
	chatopsd/chatopsd.c \
	executor/executor.c

SRCS =		${COMMON_SRCS} ${CHATOPSD_SRCS} ${CTL_SRCS} ${EXECUTOR_SRCS} \
		${AUDITD_SRCS} ${MAIN_SRCS}

PROGS =		chatopsd/chatopsd chatopsd/chatopsctl \
		chatopsd/chatops-network \
		executor/chatops-executor auditd/chatops-auditd
ARCHIVES =	chatopsd/libchatopsd.a chatopsd/libctl.a \
		executor/libexecutor.a auditd/libauditd.a common/libcommon.a

all: ${PROGS}

.SUFFIXES:
.SUFFIXES: .c .o

.c.o:
	${CC} ${ALL_CPPFLAGS} ${ALL_CFLAGS} -MMD -c -o $@ $<

-include ${SRCS:.c=.d}

# What is compiled in: another PREFIX builds these again.
.paths: FORCE
	@sh .ci/paths $@ "${SYSCONFDIR}" "${SBINDIR}" "${LIBEXECDIR}"

chatopsd/chatopsctl.o chatopsd/chatopsd.o chatopsd/parent_spawn.o: .paths

FORCE:

# Programs of one build know each other by a digest of all sources.
common/build_id.o: common/build_id.c ${SRCS}
	${CC} ${ALL_CPPFLAGS} ${ALL_CFLAGS} \
	    -DBUILD_ID="\"`cat ${SRCS} common/*.h | sha256sum | cut -c1-64`\"" \
	    -c -o $@ common/build_id.c

common/libcommon.a: ${COMMON_SRCS:.c=.o} common/build_id.o
	rm -f $@
	${AR} -rcs $@ ${COMMON_SRCS:.c=.o} common/build_id.o

chatopsd/libchatopsd.a: ${CHATOPSD_SRCS:.c=.o}
	rm -f $@
	${AR} -rcs $@ ${CHATOPSD_SRCS:.c=.o}

chatopsd/libctl.a: ${CTL_SRCS:.c=.o}
	rm -f $@
	${AR} -rcs $@ ${CTL_SRCS:.c=.o}

executor/libexecutor.a: ${EXECUTOR_SRCS:.c=.o}
	rm -f $@
	${AR} -rcs $@ ${EXECUTOR_SRCS:.c=.o}

auditd/libauditd.a: ${AUDITD_SRCS:.c=.o}
	rm -f $@
	${AR} -rcs $@ ${AUDITD_SRCS:.c=.o}

chatopsd/chatops-network: chatopsd/chatops-network.o chatopsd/libchatopsd.a \
    common/libcommon.a
	${CC} ${ALL_LDFLAGS} -o $@ chatopsd/chatops-network.o \
	    chatopsd/libchatopsd.a common/libcommon.a ${LIBS_NETWORK}

chatopsd/chatopsd: chatopsd/chatopsd.o chatopsd/libchatopsd.a common/libcommon.a
	${CC} ${ALL_LDFLAGS} -o $@ chatopsd/chatopsd.o chatopsd/libchatopsd.a \
	    common/libcommon.a ${LIBS_CHATOPSD}

# It makes the first admin by itself where no daemon runs: the database of
# the executor, lock and users of the parent.
chatopsd/chatopsctl: chatopsd/chatopsctl.o chatopsd/libctl.a \
    executor/libexecutor.a chatopsd/libchatopsd.a common/libcommon.a
	${CC} ${ALL_LDFLAGS} -o $@ chatopsd/chatopsctl.o chatopsd/libctl.a \
	    executor/libexecutor.a chatopsd/libchatopsd.a common/libcommon.a \
	    ${LIBS_CTL}

executor/chatops-executor: executor/executor.o executor/libexecutor.a common/libcommon.a
	${CC} ${ALL_LDFLAGS} -o $@ executor/executor.o executor/libexecutor.a \
	    common/libcommon.a ${LIBS_EXECUTOR}

auditd/chatops-auditd: auditd/auditd.o auditd/libauditd.a common/libcommon.a
	${CC} ${ALL_LDFLAGS} -o $@ auditd/auditd.o auditd/libauditd.a \
	    common/libcommon.a ${LIBS_AUDITD}

archives: ${ARCHIVES}

# The tests alone, on what is installed; "make check" installs first.
regress: all archives
	@cd regress && ${MAKE} tests
	@cd regress && sh ./run `MAKEFLAGS= ${MAKE} -s list`

# Each make is a new one, for the packages decide about the flags above; the
# sum of the tests is the last line.
check:
	@sh .ci/packages
	@${MAKE} all archives
	@cd regress && ${MAKE} tests
	@cd regress && sh ./run `MAKEFLAGS= ${MAKE} -s list`

# The whole daemon on loopback; MATTERMOST_URL= and TOKEN_FILE= (and ADMIN=)
# take a real server.
demo:
	@sh .ci/packages
	@${MAKE} all
	@cd regress && ${MAKE} mattermost/mattermost
	@MATTERMOST_URL="${MATTERMOST_URL}" TOKEN_FILE="${TOKEN_FILE}" \
	    ADMIN="${ADMIN}" TEAM="${TEAM}" python3 regress/demo/demo.py

fuzz:
	@cd regress && ${MAKE} fuzz

bench:
	@sh .ci/packages
	@${MAKE} all
	@cd regress && ${MAKE} mattermost/mattermost
	@python3 regress/bench/bench.py

packages:
	@sh .ci/packages

lint:
	@sh .ci/lint

asan:
	@MAKE="${MAKE}" sh .ci/asan

PLACES =	DESTDIR="${DESTDIR}" PREFIX="${PREFIX}" SBINDIR="${SBINDIR}" \
		LIBEXECDIR="${LIBEXECDIR}" MANDIR="${MANDIR}" \
		DATADIR="${DATADIR}" SYSCONFDIR="${SYSCONFDIR}"

install: all
	@${PLACES} sh .ci/install install

uninstall:
	@${PLACES} sh .ci/install uninstall

clean:
	rm -f ${PROGS} ${ARCHIVES} common/build_id.o common/build_id.d .paths
	rm -f ${SRCS:.c=.o} ${SRCS:.c=.d}
	rm -rf .asan
	cd regress && ${MAKE} clean

.PHONY: all archives asan bench check clean demo fuzz install lint packages regress \
	uninstall FORCE
