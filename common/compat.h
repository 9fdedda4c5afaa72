/* What libbsd 0.11.7 does not give; included first by every file. */
#ifndef CHATOPS_COMPAT_H
#define CHATOPS_COMPAT_H

#ifndef __dead
#define __dead __attribute__((__noreturn__))
#endif

#define nitems(a) (sizeof(a) / sizeof((a)[0]))

#endif
