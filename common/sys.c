int placeholder_sys;
