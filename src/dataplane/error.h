// The last error of a thread: one sentence for the user.
#ifndef FC_ERROR_H
#define FC_ERROR_H

// Stores the sentence for fc_last_error() and returns -`code` (a positive errno), so that a caller can write
// `return fc_error(ENODEV, ...)`. Any thread.
__attribute__((format(printf, 2, 3))) int fc_error(int code, const char *format, ...);

#endif
