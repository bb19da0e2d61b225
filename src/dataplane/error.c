#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "dataplane.h"

static _Thread_local char last_error[1024];
static _Thread_local int last_errno;

const char *fc_last_error(void)
{
	return last_error;
}

int fc_last_errno(void)
{
	return last_errno;
}

int fc_error(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error, sizeof last_error, format, args);
	va_end(args);
	last_errno = code > 0 ? code : EIO; // never 0: that would be success
	return -last_errno;
}
