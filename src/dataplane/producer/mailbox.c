#include "mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

int fc_mailbox_open(struct fc_mailbox *mailbox, uint32_t size, size_t letter_bytes)
{
	*mailbox = (struct fc_mailbox){.letter_bytes = letter_bytes, .size = size};
	mailbox->letters = calloc(size, letter_bytes);
	return mailbox->letters != NULL ? 0 : fc_error(ENOMEM, "out of memory");
}

void fc_mailbox_close(struct fc_mailbox *mailbox)
{
	free(mailbox->letters);
	mailbox->letters = NULL;
}

static uint8_t *letter_at(const struct fc_mailbox *mailbox, uint32_t number)
{
	return mailbox->letters + (size_t)(number & (mailbox->size - 1)) * mailbox->letter_bytes;
}

bool fc_mailbox_post(struct fc_mailbox *mailbox, const void *letter)
{
	uint32_t posted = atomic_load_explicit(&mailbox->posted, memory_order_relaxed);
	// Acquire: what the reader has copied out may be overwritten.
	uint32_t collected = atomic_load_explicit(&mailbox->collected, memory_order_acquire);

	if (posted - collected == mailbox->size)
		return false;
	memcpy(letter_at(mailbox, posted), letter, mailbox->letter_bytes);
	atomic_store_explicit(&mailbox->posted, posted + 1, memory_order_release);
	return true;
}

bool fc_mailbox_collect(struct fc_mailbox *mailbox, void *letter)
{
	uint32_t collected = atomic_load_explicit(&mailbox->collected, memory_order_relaxed);

	if (atomic_load_explicit(&mailbox->posted, memory_order_acquire) == collected)
		return false;
	memcpy(letter, letter_at(mailbox, collected), mailbox->letter_bytes);
	atomic_store_explicit(&mailbox->collected, collected + 1, memory_order_release);
	return true;
}
