int placeholder_chain;
