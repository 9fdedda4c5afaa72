int placeholder_buf;
