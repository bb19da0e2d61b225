#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "dataplane.h"

static _Thread_local char last_error[1024];

const char *fc_last_error(void)
{
	return last_error;
}

int fc_error(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error, sizeof last_error, format, args);
	va_end(args);
	return code > 0 ? -code : -EIO; // never 0: that would be success
}
