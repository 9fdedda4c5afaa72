int placeholder_ctl;
