int placeholder_monotime;
