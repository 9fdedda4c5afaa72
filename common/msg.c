int placeholder_msg;
