/*
 * What the bot writes: posts, edits, reactions, files.
 *
 * A post is created with a random pending id of 128 bits.  The server keeps
 * these ids for 30 s, for all its users, and answers a repeated one with the
 * post that was made first; so a repetition within that time makes no second
 * post, and an answer is only believed when the post in it is ours.  Should
 * every answer be lost, our own event on the WebSocket still tells the id.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "compat.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "sys.h"
#include "text.h"

#define POST_DEADLINE	120000	/* ms; the id's 30 s are net_call.c's */
#define CHANGE_DEADLINE	60000
#define UPLOAD_ATTEMPT	60000
#define PENDING_SIZE	33

struct post_op {
	TAILQ_ENTRY(post_op) entry;	/* POST only */
	enum msg_type	 type;
	uint32_t	 id;		/* of the executor's message */
	char		 pending[PENDING_SIZE];
	char		 seen[ID_SIZE];	/* post id from our own event */
	char		 object[ID_SIZE];	/* PATCH, REACT: the post */
	char		 channel[ID_SIZE];
	char		 root[ID_SIZE];
	char		 file[ID_SIZE];
	char		 text[];	/* of the post, or the emoji */
};

static struct post_op *
op_new(enum msg_type type, uint32_t id, const char *text)
{
	struct post_op	*op;
	size_t		 len = strlen(text);

	if ((op = calloc(1, sizeof(*op) + len + 1)) == NULL)
		fatal("calloc");
	op->type = type;
	op->id = id;
	memcpy(op->text, text, len);
	return op;
}

static void
op_pending(struct net *n, struct post_op *op)
{
	static const char	 hex[] = "0123456789abcdef";
	uint8_t			 r[(PENDING_SIZE - 1) / 2];
	size_t			 i;

	n->world->random(n->arg, r, sizeof(r));
	for (i = 0; i < sizeof(r); i++) {
		op->pending[2 * i] = hex[r[i] >> 4];
		op->pending[2 * i + 1] = hex[r[i] & 15];
	}
}

static int
same(const json_t *object, const char *member, const char *wanted)
{
	const char	*v;

	v = mm_string(object, member);
	return v != NULL && strcmp(v, wanted) == 0;
}

/* A file that does not fit is left off by the server without an error. */
static int
has_file(const json_t *post, const char *file)
{
	json_t	*ids;

	if (*file == '\0')
		return 1;
	ids = json_object_get(post, "file_ids");
	return json_array_size(ids) == 1 &&
	    json_is_string(json_array_get(ids, 0)) &&
	    strcmp(json_string_value(json_array_get(ids, 0)), file) == 0;
}

/* NULL when that is the post that was asked for, else what is not. */
static const char *
post_differs(struct net *n, const struct post_op *op, const json_t *post)
{
	const char	*id;

	id = mm_string(post, "id");
	if (id == NULL || !text_is_id(id))
		return "the server returned no post";
	if (!same(post, "user_id", n->bot_id))
		return "the server returned somebody else's post";
	if (op->type == MSG_PATCH)
		return strcmp(id, op->object) != 0 ?
		    "the server returned another post" :
		    !same(post, "message", op->text) ?
		    "the server changed the text" : NULL;
	if (!same(post, "channel_id", op->channel) ||
	    !same(post, "root_id", op->root))
		return "the server returned another post";
	if (!same(post, "message", op->text))
		return "the server changed the text";
	if (!has_file(post, op->file))
		return "the server left the file off";
	return NULL;
}

static enum net_result
result_of(const struct http_answer *a)
{
	if (a->status == 0 || a->status == 401 || a->status == 429 ||
	    (a->status >= 500 && a->status != 501))
		return RESULT_FAILED;
	return RESULT_REFUSED;
}

static void
op_fail(struct net *n, const struct post_op *op, const struct http_answer *a)
{
	char	 buf[256];

	if (op->seen[0] != '\0') {
		/* no good answer, but the post is there */
		net_result(n, op->id, RESULT_OK, a->status, op->seen, "");
		return;
	}
	(void)call_error(a, buf, sizeof(buf));
	log_warnx("%s failed: %d %s", msg_name(op->type), a->status, buf);
	net_result(n, op->id, result_of(a), a->status, "", buf);
}

static void
written_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct post_op	*op = c->arg;
	const char	*why, *id;
	json_t		*post;

	if (op->type == MSG_POST)
		TAILQ_REMOVE(&n->posts, op, entry);
	if (a->status != 200 && a->status != 201) {
		op_fail(n, op, a);
		return;
	}
	post = mm_parse(a->body, a->len);
	why = post_differs(n, op, post);
	id = mm_string(post, "id");
	if (id == NULL || !text_is_id(id))
		id = "";
	if (why == NULL)
		net_result(n, op->id, RESULT_OK, a->status, id, "");
	else {
		log_warnx("%s: %s", msg_name(op->type), why);
		net_result(n, op->id, RESULT_REFUSED, a->status,
		    same(post, "user_id", n->bot_id) ? id : "", why);
	}
	json_decref(post);
}

static void
plain_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct post_op	*op = c->arg;

	if (a->status != 200 && a->status != 201)
		op_fail(n, op, a);
	else
		net_result(n, op->id, RESULT_OK, a->status, op->object, "");
}

static void
upload_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct post_op	*op = c->arg;
	const char	*id = NULL;
	json_t		*root, *infos;

	if (a->status != 200 && a->status != 201) {
		op_fail(n, op, a);
		return;
	}
	root = mm_parse(a->body, a->len);
	infos = json_object_get(root, "file_infos");
	if (json_array_size(infos) == 1)
		id = mm_string(json_array_get(infos, 0), "id");
	if (id != NULL && text_is_id(id))
		net_result(n, op->id, RESULT_OK, a->status, id, "");
	else
		net_result(n, op->id, RESULT_REFUSED, a->status, "",
		    "the server took no file");
	json_decref(root);
}

/*
 * props replaces the whole map in an edit, so what we want to keep is sent
 * along: unsafe_links (newer servers make no previews and load no images)
 * and the from_bot that the server set when the post was made.
 */
static json_t *
post_json(const struct post_op *op)
{
	json_t	*root;

	if (op->type == MSG_PATCH)
		return json_pack("{s:s, s:{s:s, s:s}}", "message", op->text,
		    "props", "from_bot", "true", "unsafe_links", "true");
	root = json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}",
	    "channel_id", op->channel, "root_id", op->root,
	    "message", op->text, "pending_post_id", op->pending,
	    "props", "unsafe_links", "true");
	if (root != NULL && op->file[0] != '\0' &&
	    json_object_set_new(root, "file_ids",
	    json_pack("[s]", op->file)) == -1)
		fatalx("json: out of memory");
	return root;
}

/* Takes over both. */
static void
submit_json(struct net *n, struct call *c, json_t *body, int64_t deadline)
{
	struct post_op	*op = c->arg;

	if (body == NULL || (c->body = json_dumps(body, JSON_COMPACT)) ==
	    NULL) {
		json_decref(body);
		net_result(n, op->id, RESULT_REFUSED, 0, "",
		    "text is not UTF-8");
		call_free(c);
		return;
	}
	json_decref(body);
	c->len = strlen(c->body);
	c->type = "application/json";
	if (op->type == MSG_POST)
		TAILQ_INSERT_TAIL(&n->posts, op, entry);
	call_submit(n, c, deadline);
}

static int
is_too_long(struct net *n, uint32_t id, const char *text)
{
	if (utf8_runes(text, strlen(text)) <= n->max_post)
		return 0;
	net_result(n, id, RESULT_REFUSED, 0, "",
	    "text is longer than the server takes");
	return 1;
}

static void
post_create(struct net *n, uint32_t id, const struct msg_post *m)
{
	struct post_op	*op;
	struct call	*c;

	if (is_too_long(n, id, m->text))
		return;
	op = op_new(MSG_POST, id, m->text);
	(void)strlcpy(op->channel, m->channel_id, sizeof(op->channel));
	(void)strlcpy(op->root, m->root_id, sizeof(op->root));
	(void)strlcpy(op->file, m->file_id, sizeof(op->file));
	op_pending(n, op);
	c = call_new(n, CALL_POST, HTTP_POST, written_done, op);
	/* posting must not show the bot as present when it is not */
	(void)call_path(c, "/posts?set_online=false");
	c->is_create = 1;
	/* what is written into one thread keeps its order */
	(void)strlcpy(c->key, op->root, sizeof(c->key));
	submit_json(n, c, post_json(op), POST_DEADLINE);
}

static void
post_patch(struct net *n, uint32_t id, const struct msg_patch *m)
{
	struct post_op	*op;
	struct call	*c;

	if (is_too_long(n, id, m->text))
		return;
	op = op_new(MSG_PATCH, id, m->text);
	(void)strlcpy(op->object, m->post_id, sizeof(op->object));
	c = call_new(n, CALL_CHANGE, HTTP_PUT, written_done, op);
	(void)call_path(c, "/posts/%s/patch", op->object);
	(void)strlcpy(c->key, op->object, sizeof(c->key));
	submit_json(n, c, post_json(op), CHANGE_DEADLINE);
}

static void
post_react(struct net *n, uint32_t id, const struct msg_react *m)
{
	struct post_op	*op;
	struct call	*c;
	size_t		 len = strlen(m->emoji);

	/* it becomes part of a path */
	if (len == 0 || strspn(m->emoji, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-") != len) {
		net_result(n, id, RESULT_REFUSED, 0, "",
		    "no such emoji name");
		return;
	}
	op = op_new(MSG_REACT, id, m->emoji);
	(void)strlcpy(op->object, m->post_id, sizeof(op->object));
	c = call_new(n, CALL_CHANGE, m->add ? HTTP_POST : HTTP_DELETE,
	    plain_done, op);
	c->key[0] = 'r';
	(void)strlcpy(c->key + 1, op->object, sizeof(c->key) - 1);
	if (!m->add) {
		(void)call_path(c, "/users/%s/posts/%s/reactions/%s",
		    n->bot_id, op->object, op->text);
		call_submit(n, c, CHANGE_DEADLINE);
		return;
	}
	(void)call_path(c, "/reactions");
	submit_json(n, c, json_pack("{s:s, s:s, s:s}", "user_id", n->bot_id,
	    "post_id", op->object, "emoji_name", op->text), CHANGE_DEADLINE);
}

/* Odd names make the server take a file and return none. */
static void
clean_name(const char *name, char *buf, size_t size)
{
	size_t	 i;

	for (i = 0; name[i] != '\0' && i + 1 < size; i++)
		buf[i] = strchr("abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", name[i]) !=
		    NULL && !(i == 0 && name[i] == '.') ? name[i] : '_';
	buf[i] = '\0';
	if (i == 0)
		(void)strlcpy(buf, "output.txt", size);
}

static void
post_upload(struct net *n, uint32_t id, int fd, const struct msg_upload *m)
{
	struct post_op	*op;
	struct call	*c;
	struct stat	 st;
	char		 name[NAME_SIZE];

	if (fd == -1 || sys_fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    m->size == 0 || (uint64_t)st.st_size != m->size)
		fatalx("executor: upload of %llu bytes with another file",
		    (unsigned long long)m->size);
	if (m->size > n->max_file) {
		(void)sys_close(fd);
		net_result(n, id, RESULT_REFUSED, 0, "",
		    "file is larger than the server takes");
		return;
	}
	clean_name(m->name, name, sizeof(name));
	op = op_new(MSG_UPLOAD, id, name);
	c = call_new(n, CALL_CHANGE, HTTP_POST, upload_done, op);
	(void)call_path(c, "/files?channel_id=%s&filename=%s", m->channel_id,
	    name);
	c->fd = fd;
	c->size = m->size;
	c->type = "application/octet-stream";
	c->attempt_ms = UPLOAD_ATTEMPT;
	call_submit(n, c, POST_DEADLINE);
}

void
post_message(struct net *n, enum msg_type type, uint32_t id, int fd,
    const void *msg)
{
	if (n->bot_id[0] == '\0') {
		if (fd != -1)
			(void)sys_close(fd);
		net_result(n, id, RESULT_FAILED, 0, "", "not connected yet");
		return;
	}
	if (type == MSG_POST)
		post_create(n, id, msg);
	else if (type == MSG_PATCH)
		post_patch(n, id, msg);
	else if (type == MSG_REACT)
		post_react(n, id, msg);
	else
		post_upload(n, id, fd, msg);
}

void
post_seen(struct net *n, json_t *post)
{
	struct post_op	*op;
	const char	*pending;

	pending = mm_string(post, "pending_post_id");
	if (pending == NULL || *pending == '\0')
		return;
	TAILQ_FOREACH(op, &n->posts, entry)
		if (strcmp(op->pending, pending) == 0 &&
		    post_differs(n, op, post) == NULL) {
			(void)strlcpy(op->seen, mm_string(post, "id"),
			    sizeof(op->seen));
			return;
		}
}

void
post_free_all(struct net *n)
{
	/* the operations belong to their calls */
	TAILQ_INIT(&n->posts);
}
