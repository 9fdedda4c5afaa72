/*
 * REST: files, raw or multipart (RFC 7578).
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

static const char *
mime_type(const char *name)
{
	static const struct {
		const char	*ext, *type;
	} t[] = {
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".log", "text/x-log" },
		{ ".json", "application/json" },
		{ ".png", "image/png" },
		{ ".gz", "application/gzip" }
	};
	const char	*dot = strrchr(name, '.');
	size_t		 i;

	for (i = 0; dot != NULL && i < nitems(t); i++)
		if (strcasecmp(dot, t[i].ext) == 0)
			return t[i].type;
	return "application/octet-stream";
}

/* Names with quotes or paths get lost, as on the real server. */
static int
is_good_name(const char *name)
{
	json_t	*j = json_string(name);
	int	 is_text = j != NULL;

	json_decref(j);
	return is_text && *name != '\0' && strlen(name) < 256 &&
	    strpbrk(name, "/\\\"") == NULL;
}

static json_t *
file_add(struct http_req *req, const char *name, const char *bytes,
    size_t len)
{
	struct file	*f;

	if ((f = calloc(1, sizeof(*f))) == NULL ||
	    (f->bytes = malloc(len + 1)) == NULL)
		err(1, NULL);
	text_new_id(f->id);
	f->user = req->user;
	strlcpy(f->name, name, sizeof(f->name));
	f->mime = mime_type(name);
	f->create_at = f->update_at = clock_ms();
	f->size = len;
	memcpy(f->bytes, bytes, len);
	TAILQ_INSERT_TAIL(&mm.files, f, entry);
	return file_json(f);
}

static void
file_answer(struct http_req *req, json_t *infos, json_t *clients)
{
	json_t	*one;
	size_t	 i;

	json_array_foreach(infos, i, one)
		(void)record_add("file", json_pack("{s:s,s:s,s:O,s:O}",
		    "file_id", text_str(one, "id", ""), "user_id",
		    req->user->id, "name", json_object_get(one, "name"),
		    "size", json_object_get(one, "size")));
	api_json(req, 201, json_pack("{s:o,s:o}", "file_infos", infos,
	    "client_ids", clients));
}

static int
file_allowed(struct http_req *req, const char *channel_id, size_t len)
{
	struct channel	*c = channel_by_id(channel_id);

	if (!text_is_id(channel_id)) {
		api_bad_param(req, "channel_id");
		return 0;
	}
	if (c == NULL || !may_post(req->user, c)) {
		api_forbidden(req);
		return 0;
	}
	if ((int64_t)len > mm.opt.max_file) {
		api_error(req, 413,
		    "api.file.upload_file.too_large_detailed.app_error",
		    "Unable to upload file. File is too large.");
		return 0;
	}
	return 1;
}

static void
file_raw(struct http_req *req)
{
	const char	*name = http_query(req, "filename");
	json_t		*infos;

	if (!file_allowed(req, http_query(req, "channel_id"), req->body_len))
		return;
	if (name == NULL) {
		api_bad_param(req, "filename");
		return;
	}
	infos = json_array();
	if (is_good_name(name))
		json_array_append_new(infos, file_add(req, name, req->body,
		    req->body_len));
	file_answer(req, infos, json_null());
}

struct part {
	char		*name, *filename;
	const char	*bytes;
	size_t		 len;
};

/* The value of a parameter of Content-Disposition, or NULL. */
static char *
disposition(const char *head, size_t len, const char *key)
{
	const char	*p, *end;

	for (p = head; (p = memmem(p, head + len - p, key, strlen(key)))
	    != NULL; p += strlen(key)) {
		if (p > head && p[-1] != ' ' && p[-1] != ';')
			continue;
		p += strlen(key);
		if ((end = memchr(p, '"', head + len - p)) == NULL)
			return NULL;
		return strndup(p, end - p);
	}
	return NULL;
}

/* The next part after *at; 0 when there is no more. */
static int
part_next(struct http_req *req, const char *mark, size_t mark_len,
    size_t *at, struct part *part)
{
	const char	*p, *head, *end, *stop = req->body + req->body_len;

	memset(part, 0, sizeof(*part));
	p = memmem(req->body + *at, req->body_len - *at, mark, mark_len);
	if (p == NULL || stop - p < (ssize_t)mark_len + 4 ||
	    memcmp(p + mark_len, "--", 2) == 0)
		return 0;
	head = p + mark_len + 2;
	if ((p = memmem(head, stop - head, "\r\n\r\n", 4)) == NULL)
		return 0;
	part->bytes = p + 4;
	if ((end = memmem(part->bytes, stop - part->bytes, mark, mark_len))
	    == NULL || end - part->bytes < 2)
		return 0;
	part->name = disposition(head, p - head, "name=\"");
	part->filename = disposition(head, p - head, "filename=\"");
	part->len = end - part->bytes - 2;
	*at = end - req->body;
	return 1;
}

static void
file_multipart(struct http_req *req, const char *type)
{
	const char	*b;
	char		 mark[80] = "--", *channel_id = NULL;
	struct part	 part;
	json_t		*infos = json_array(), *clients = json_array();
	size_t		 at = 0, mark_len;
	int		 ok = 1;

	if ((b = strstr(type, "boundary=")) == NULL)
		b = "boundary=";
	b += strlen("boundary=");
	if (*b == '"')
		b++;
	strlcat(mark, b, sizeof(mark));
	mark[strcspn(mark, "\"; ")] = '\0';
	mark_len = strlen(mark);
	while (ok && part_next(req, mark, mark_len, &at, &part)) {
		if (part.name != NULL && strcmp(part.name, "channel_id") == 0 &&
		    channel_id == NULL)
			channel_id = strndup(part.bytes, part.len);
		else if (part.filename != NULL) {
			ok = file_allowed(req, channel_id, part.len);
			if (ok && is_good_name(part.filename))
				json_array_append_new(infos, file_add(req,
				    part.filename, part.bytes, part.len));
		} else if (part.name != NULL &&
		    strcmp(part.name, "client_ids") == 0)
			json_array_append_new(clients,
			    json_stringn(part.bytes, part.len));
		free(part.name);
		free(part.filename);
	}
	free(channel_id);
	if (ok) {
		file_answer(req, infos, clients);
		return;
	}
	json_decref(infos);
	json_decref(clients);
}

static void
file_post(struct http_req *req)
{
	const char	*type = http_header(req, "Content-Type");

	if (req->body_len == 0)
		api_error(req, 400,
		    "api.file.upload_file.read_request.app_error",
		    "Unable to upload file(s). Error reading or parsing "
		    "request data.");
	else if (type != NULL &&
	    strncasecmp(type, "multipart/form-data", 19) == 0)
		file_multipart(req, type);
	else
		file_raw(req);
}

static struct file *
file_param(struct http_req *req)
{
	struct file	*f = file_by_id(req->param[0]);
	struct post	*p;

	if (f == NULL) {
		api_error(req, 404, "app.file_info.get.app_error",
		    "Unable to get the file info.");
		return NULL;
	}
	p = post_by_id(f->post_id);
	if (f->user != req->user &&
	    (p == NULL || !may_read(req->user, p->channel))) {
		api_forbidden(req);
		return NULL;
	}
	return f;
}

static void
file_get(struct http_req *req)
{
	struct file	*f;

	if ((f = file_param(req)) != NULL)
		http_reply(req, 200, f->mime, f->bytes, f->size);
}

static void
file_info(struct http_req *req)
{
	struct file	*f;

	if ((f = file_param(req)) != NULL)
		api_json(req, 200, file_json(f));
}

const struct route api_file_routes[] = {
	{ "POST", "files", file_post, 0 },
	{ "GET", "files/:file_id", file_get, 0 },
	{ "GET", "files/:file_id/info", file_info, 0 },
	{ NULL, NULL, NULL, 0 }
};
