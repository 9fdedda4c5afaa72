int placeholder_log;
