// A mailbox between two threads: a bounded queue with one writer and one reader, neither of which ever waits.
#ifndef FC_MAILBOX_H
#define FC_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fc_mailbox {
	uint8_t *letters; // owned
	size_t letter_bytes;
	uint32_t size;              // a power of two
	_Atomic uint32_t posted;    // writer: the one who posts
	_Atomic uint32_t collected; // writer: the one who collects
};

// Makes a mailbox for `size` letters, a power of two. Control thread. 0 or -errno with fc_error().
int fc_mailbox_open(struct fc_mailbox *mailbox, uint32_t size, size_t letter_bytes);
void fc_mailbox_close(struct fc_mailbox *mailbox);

// Copies the letter in; false when the mailbox is full. The writer.
bool fc_mailbox_post(struct fc_mailbox *mailbox, const void *letter);

// Copies the oldest letter out; false when there is none. The reader.
bool fc_mailbox_collect(struct fc_mailbox *mailbox, void *letter);

#endif
