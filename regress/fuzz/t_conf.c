/*
 * bot.config.json: strict JSON, then the configuration.  An error has a text
 * and a place; what was taken is taken again from the copy for a child, and
 * that copy holds no token.
 */
#include "conf.h"
#include "fuzz.h"
#include "json.h"

static void
check_copy(const struct conf *c)
{
	static struct conf	 again;
	struct json_error	 e;
	struct json_file	 f;
	char			*text, *text2;

	MUST((text = conf_dump(c)) != NULL);
	/* Inside a string its quotes would have backslashes. */
	MUST(strstr(text, "\"token\":") == NULL);
	MUST(json_file_parse(&f, "copy", text, strlen(text), &e) == 0);
	MUST(conf_parse(&again, &f, "/", &e) == 0);
	MUST((text2 = conf_dump(&again)) != NULL);
	MUST(strcmp(text, text2) == 0);
	free(text2);
	free(text);
	json_file_free(&f);
	conf_wipe(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct conf	 c;
	struct json_error	 e;
	struct json_file	 f;
	char			 text[2048];

	memset(&e, 0, sizeof(e));
	if (json_file_parse(&f, "fuzz", (const char *)data, len, &e) == -1) {
		MUST(e.text[0] != '\0');
		json_error_format(&e, text, sizeof(text));
		MUST(text[0] != '\0' && strchr(text, '\n') == NULL);
		return 0;
	}
	MUST(json_depth_check((const char *)data, len, JSON_DEPTH_MAX) == 0);
	if (conf_parse(&c, &f, "/etc/chatopsd", &e) == 0)
		check_copy(&c);
	else {
		MUST(e.text[0] != '\0');
		json_error_format(&e, text, sizeof(text));
		MUST(strchr(text, '\n') == NULL);
	}
	conf_wipe(&c);
	json_file_free(&f);
	return 0;
}
