#include "proc.h"

const char build_id[] = BUILD_ID;
