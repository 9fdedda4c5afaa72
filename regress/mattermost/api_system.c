/*
 * REST: configuration and health.
 */
#include "mattermost.h"

#include <string.h>

static void
config_get(struct http_req *req)
{
	const char	*format = http_query(req, "format");

	if (!mm.opt.is_11 && (format == NULL || *format == '\0')) {
		api_error(req, 501, "api.config.client.old_format.app_error",
		    "New format for the client configuration is not "
		    "supported yet. Please specify format=old in the query "
		    "string.");
		return;
	}
	api_json(req, 200, config_client(req->user != NULL));
}

static void
system_ping(struct http_req *req)
{
	const char	*full = http_query(req, "get_server_status");
	json_t		*j;

	j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "AndroidLatestVersion", "",
	    "AndroidMinVersion", "", "DesktopLatestVersion", "",
	    "DesktopMinVersion", "", "IosLatestVersion", "",
	    "IosMinVersion", "");
	if (full != NULL && strcmp(full, "true") == 0) {
		json_object_set_new(j, "database_status",
		    json_string(mm.opt.db_down ? "UNHEALTHY" : "OK"));
		json_object_set_new(j, "filestore_status", json_string("OK"));
		json_object_set_new(j, "status",
		    json_string(mm.opt.db_down ? "UNHEALTHY" : "OK"));
		api_json(req, mm.opt.db_down ? 500 : 200, j);
		return;
	}
	json_object_set_new(j, "status", json_string("OK"));
	api_json(req, 200, j);
}

const struct route api_system_routes[] = {
	{ "GET", "config/client", config_get, API_OPEN },
	{ "GET", "system/ping", system_ping, API_OPEN },
	{ NULL, NULL, NULL, 0 }
};
