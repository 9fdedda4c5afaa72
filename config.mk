# The one file that a packager edits.  Every value can also be given on the
# command line of make.

PREFIX ?=	/usr/local
SBINDIR ?=	${PREFIX}/sbin
LIBEXECDIR ?=	${PREFIX}/libexec/chatopsd
MANDIR ?=	${PREFIX}/share/man
DATADIR ?=	${PREFIX}/share/chatopsd
SYSCONFDIR ?=	/etc/chatopsd
DESTDIR ?=

CC ?=		cc
AR ?=		ar
PKG_CONFIG ?=	pkg-config
INSTALL ?=	install

# -Werror is right for developers and CI; a packager may empty it.
WERROR ?=	-Werror
OPT ?=		-O2 -g
CWARN =		-Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes \
		-Wmissing-declarations -Wshadow -Wpointer-arith -Wcast-qual \
		-Wsign-compare -Wvla -Wformat=2 ${WERROR}
CHARDEN ?=	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDHARDEN ?=	-pie -Wl,-z,relro,-z,now
# make asan replaces OPT, CHARDEN, LDHARDEN and SAN.
SAN ?=
