/*
 * One line of script-executions.log, format v1: chatops-audit(5) has it to
 * the byte.  A line has exactly one spelling; what emit writes, scan reads,
 * and scan takes nothing else.
 */
#ifndef CHATOPS_AUDIT_LINE_H
#define CHATOPS_AUDIT_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "audit_json.h"
#include "buf.h"
#include "monotime.h"
#include "msg.h"

#define AUDIT_LINE_MAX		(64 * 1024)	/* read: without the newline */
#define AUDIT_LINE_WRITE_MAX	(LINE_SIZE - 1)	/* written, the same way */
#define AUDIT_ORIGIN_SIZE	129
/* ,"signature":"<88>"} */
#define AUDIT_SIGNATURE_TAIL	104
#define AUDIT_SIGNATURE_SIZE	64
#define AUDIT_BASE64_32		44
#define AUDIT_BASE64_64		88

/* Why a line is not one.  In the order of preference when several hold. */
enum audit_fault {
	AUDIT_FAULT_NONE,
	AUDIT_FAULT_FORMAT,
	AUDIT_FAULT_DUP_KEY,
	AUDIT_FAULT_SCHEMA,
	AUDIT_FAULT_NONCANONICAL
};

/*
 * All texts are as spelt in the line: strings without their quotes and with
 * their escapes, arguments and detail as whole objects.
 */
struct audit_line {
	struct audit_text	 log;
	uint64_t		 seq;
	char			 timestamp[WALLTIME_STRLEN];
	enum audit_event	 event;
	char			 execution_id[UUID_SIZE];
	struct audit_text	 script_name;
	struct audit_text	 arguments;
	struct audit_text	 user_id;
	struct audit_text	 channel_id;
	int			 success;	/* -1: null */
	int			 has_exit_code;
	int			 has_duration;
	int64_t			 exit_code;
	int64_t			 duration_ms;
	struct audit_text	 error;
	char			 session[UUID_SIZE];
	struct audit_text	 detail;
	uint8_t			 previous_hash[HASH_SIZE];
	uint8_t			 public_key[32];
	int			 has_next;	/* the next two are there */
	uint8_t			 next_public_key[32];
	uint8_t			 tree_root[HASH_SIZE];
	uint8_t			 signature[AUDIT_SIGNATURE_SIZE];
};

const char	*audit_event_name(enum audit_event);
/* The event of that name, or -1. */
int		 audit_event_parse(const char *, size_t);
const char	*audit_fault_name(enum audit_fault);

/*
 * Read a line (without its newline).  The struct points into it.  A fault
 * comes with a few words in *why.  Checks spelling and schema, no signature.
 */
enum audit_fault audit_line_scan(const char *, size_t, struct audit_line *,
		    const char **why);
/* Only for lines that the strict scanner refused: which fault is it? */
enum audit_fault audit_line_diagnose(const char *, size_t, const char **why);

/*
 * Write a line in three parts, so that the middle one can be made before
 * its place in the log is known.  tail ends the signed message with its
 * brace; seal replaces that brace by the signature.  Errors stick in buf.
 */
void	 audit_line_emit_head(struct buf *, const struct audit_line *);
void	 audit_line_emit_body(struct buf *, const struct audit_line *);
void	 audit_line_emit_tail(struct buf *, const struct audit_line *);
void	 audit_line_seal(struct buf *, const uint8_t sig[AUDIT_SIGNATURE_SIZE]);
/* All of it, signature included, without the newline. */
void	 audit_line_emit(struct buf *, const struct audit_line *);

/*
 * Does the signature verify under the line's own key?  The caller has to
 * know that it is the right key.  line is written to and restored.
 */
int	 audit_line_verify(char *, size_t, const struct audit_line *);
/* One member's form.  out has room for the decoded bytes. */
int	 audit_base64_read(const char *, size_t, uint8_t *, size_t outlen);
void	 audit_base64_write(const uint8_t *, size_t, char *);
int	 audit_hex_read(const char *, size_t, uint8_t *, size_t outlen);
void	 audit_hex_write(const uint8_t *, size_t, char *);	/* with NUL */
int	 audit_is_uuid(const char *, size_t);
int	 audit_is_timestamp(const char *, size_t);	/* with its NUL */
int	 audit_is_origin(const char *, size_t);

/* The order of the members of a line, for scanner and diagnosis. */
enum audit_member {
	AUDIT_M_V,
	AUDIT_M_LOG,
	AUDIT_M_SEQ,
	AUDIT_M_TIMESTAMP,
	AUDIT_M_EVENT,
	AUDIT_M_EXECUTION_ID,
	AUDIT_M_SCRIPT_NAME,
	AUDIT_M_ARGUMENTS,
	AUDIT_M_USER_ID,
	AUDIT_M_CHANNEL_ID,
	AUDIT_M_SUCCESS,
	AUDIT_M_EXIT_CODE,
	AUDIT_M_DURATION,
	AUDIT_M_ERROR,
	AUDIT_M_SESSION,
	AUDIT_M_DETAIL,
	AUDIT_M_PREVIOUS_HASH,
	AUDIT_M_PUBLIC_KEY,
	AUDIT_M_NEXT_PUBLIC_KEY,
	AUDIT_M_TREE_ROOT,
	AUDIT_M_SIGNATURE,
	AUDIT_M_COUNT
};
const char	*audit_member_name(enum audit_member);
/*
 * Read the value of one member into its place: 1, or 0 with the reason in
 * j->why and the fault (AUDIT_FAULT_FORMAT or _SCHEMA) in *fault.
 */
int	 audit_member_read(struct audit_json *, enum audit_member,
	    struct audit_line *, enum audit_fault *fault);
/* What members may not say together: NULL, or the reason. */
const char	*audit_line_schema(const struct audit_line *);

#endif
