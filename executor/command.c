int placeholder_command;
