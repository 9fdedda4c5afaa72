/*
 * The log that an independent model of the format wrote, with its keys.
 * Tests run from regress/ or from anywhere with CHATOPS_REGRESS set.
 */
#ifndef CHATOPS_VECTORS_H
#define CHATOPS_VECTORS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define VECTOR_DIR		"audit/vectors/"
#define VECTOR_FIRST		VECTOR_DIR				\
    "script-executions.0000000000000000.log"
#define VECTOR_SECOND		VECTOR_DIR "script-executions.log"
#define VECTOR_NOTE		VECTOR_DIR "checkpoint"
#define VECTOR_ORIGIN		"chatops.example/audit/7f3a"
#define VECTOR_LOG_KEY		VECTOR_ORIGIN \
    "+a3bb8a4e+AQzwwUsv9kYhQj6PJhquacodNSy8rAwM7Oa639QLJch9"
#define VECTOR_GENESIS							\
    "1271f5a7805631eda20f4a8e624def4bff8afb454869e5c7c8731c791d52811b"
#define VECTOR_ANCHOR							\
    "15:a88a0d9fca762a62bb13662509725d329ebaf50f2180a9980b19099d6947c5b5"
#define VECTOR_ROOT	"AfQwS/GQ+4I+LdT9NfOAdMvCWnMC9/rRjVX4t79x3zc="
#define VECTOR_LINES	16

static const char *const vector_seeds[] = {
	"0c6f64594386bdbfc4deebdd870a707ceff1caf6ec3bffb926c83cecaf9f315c",
	"9d628703c9bff49da00ff345d341f371fb33b020c29b7e800c147857ed3af5fc",
	"179c1e671a6e161266c6746f555498978b58293af38aa06be5776084d8357607",
	"68c4bf1d0e477adcbd8fc424b572a283971929ddee1089eda3d93e26be593fe9",
	"35d89334a538c8951bb6038595ff7bf463b4c994fff6b3e05f74ab9e986a6894",
	"09eaaf648293c621e7694a01ea4833c918a059f6acb77a6621d48f839579c503",
};

/* The whole file, with a NUL after it; the test ends without it. */
static inline char *
vector_read(const char *path, size_t *len)
{
	FILE	*f;
	char	*s;

	if ((f = fopen(path, "r")) == NULL || (s = calloc(1, 65536)) == NULL) {
		perror(path);
		exit(1);
	}
	*len = fread(s, 1, 65535, f);
	fclose(f);
	return s;
}

/* The two files one after the other, cut at their newlines. */
static inline size_t
vector_lines(char *lines[VECTOR_LINES])
{
	static const char *const	 paths[] = { VECTOR_FIRST,
					    VECTOR_SECOND };
	char				*s, *nl;
	size_t				 i, len, n = 0;

	for (i = 0; i < 2; i++) {
		s = vector_read(paths[i], &len);
		for (; n < VECTOR_LINES && (nl = strchr(s, '\n')) != NULL;
		    s = nl + 1) {
			*nl = '\0';
			lines[n++] = s;
		}
	}
	return n;
}

#endif
