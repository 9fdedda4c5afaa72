int placeholder_imsg;
