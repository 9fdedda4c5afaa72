int placeholder_parent;
