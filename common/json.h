/*
 * Strict JSON for configuration files, on jansson: no duplicate keys, UTF-8
 * only, bounded size and depth, every member known, and an error that names
 * file, line, column and path ("scripts[2].arguments.service.type").
 */
#ifndef CHATOPS_JSON_H
#define CHATOPS_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define JSON_CONF_MAX	(16 * 1024 * 1024)	/* bytes of a file */
#define JSON_DEPTH_MAX	32

/* One finding.  line and column count from 1; 0 when there is none. */
struct json_error {
	char	 file[256];
	int	 line;
	int	 column;
	char	 path[256];
	char	 text[512];
};

/*
 * A parsed file.  text stays, so that a path can be turned into a line and
 * a column after the tree was built.
 */
struct json_file {
	char	*name;
	char	*text;
	size_t	 len;
	json_t	*root;
};

/* Frees zeroed memory everywhere in jansson; call once per process. */
void	 json_init_secure(void);

/* 0, or -1 with *e filled.  The text is copied. */
int	 json_file_parse(struct json_file *, const char *name, const char *text,
	    size_t len, struct json_error *);
/* Reads the descriptor to its end first (it is not closed). */
int	 json_file_read(struct json_file *, const char *name, int fd,
	    struct json_error *);
void	 json_file_free(struct json_file *);

/* Where the value at that path stands; 0 or -1 when there is none. */
int	 json_locate(const struct json_file *, const char *path, int *line,
	    int *column);
/* Fill *e for a value at path; always returns -1. */
int	 json_fail(const struct json_file *, struct json_error *,
	    const char *path, const char *fmt, ...)
	    __attribute__((__format__(printf, 4, 5)));
/* "file:line:column: path: text" for people. */
void	 json_error_format(const struct json_error *, char *, size_t);

/*
 * Depth and size check of foreign JSON before jansson sees it: 0 when the
 * text nests at most max_depth deep (brackets inside strings do not count).
 */
int	 json_depth_check(const char *, size_t, int max_depth);

#endif
